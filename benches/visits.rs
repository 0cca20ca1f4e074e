//! The stages of a visit, one by one: route, query, fold, frame, apply, render.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use footfall::apply::{Apply, KeyedVisit};
use footfall::config::ApplyConfig;
use footfall::dialects::visits;
use footfall::event::{COUNTRIES, Country, Sequence, SiteId};
use footfall::fold::Fold;
use footfall::http::{PUBLIC, Routes};
use footfall::journal::{Frame, encode, payload};

/// Visits that wait for one write in a busy worker.
const GROUP: usize = 32;

fn countries(visits: usize) -> Vec<Country> {
    (0..visits)
        .filter_map(|visit| Country::from_index(visit * 7 % COUNTRIES))
        .collect()
}

fn request(criterion: &mut Criterion) {
    let routes = Routes::new(&PUBLIC);
    criterion.bench_function("find a route", |bencher| {
        bencher.iter(|| routes.find(black_box("/api/v1/stats")));
    });
    for query in ["countryCode=GB", "utm=a&countryCode=%47B"] {
        criterion.bench_function(&format!("read the query {query}"), |bencher| {
            bencher.iter(|| visits::country(black_box(Some(query))));
        });
    }
    let (gb, mut body) = (Country::UNKNOWN, Vec::with_capacity(32));
    criterion.bench_function("write a total", |bencher| {
        bencher.iter(|| {
            body.clear();
            visits::total(black_box(gb), black_box(1_234_567), &mut body);
        });
    });
}

fn keeping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("32 visits");
    group.throughput(Throughput::Elements(GROUP as u64));
    let (countries, mut fold) = (countries(GROUP), Fold::default());
    group.bench_function("fold", |bencher| {
        bencher.iter(|| {
            for &country in black_box(&countries) {
                fold.add(country, 1);
            }
            fold.clear();
        });
    });
    for &country in &countries {
        fold.add(country, 1);
    }
    let (mut payload, mut frame) = (Vec::new(), Vec::new());
    group.bench_function("frame", |bencher| {
        bencher.iter(|| {
            payload.clear();
            frame.clear();
            payload::put_visits(&mut payload, SiteId::DEFAULT, 1_995_000, fold.iter());
            encode(
                &mut frame,
                Frame {
                    sequence: Sequence(1),
                    kind: payload::VISITS,
                    payload: black_box(&payload),
                },
            );
        });
    });
    group.finish();
}

fn applying(criterion: &mut Criterion) {
    let config = ApplyConfig::default();
    let mut fold = Fold::default();
    for country in countries(GROUP) {
        fold.add(country, 1);
    }
    let mut payload = Vec::new();
    payload::put_visits(&mut payload, SiteId::DEFAULT, 1_995_000, fold.iter());
    let mut apply = Apply::new(&config, &[7; 16]);
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(GROUP as u64));
    group.bench_function("a frame of 32 folded visits", |bencher| {
        bencher.iter(|| {
            if let Some(payload::Payload::Visits(visits)) = payload::Payload::read(payload::VISITS, black_box(&payload))
            {
                apply.visits(visits.site, visits.counts());
            }
        });
    });
    group.throughput(Throughput::Elements(1));
    let mut number = 0u64;
    group.bench_function("a visit with an idempotency key", |bencher| {
        bencher.iter(|| {
            number += 1;
            let id = number.to_le_bytes();
            let visit = KeyedVisit {
                site: SiteId::DEFAULT,
                time_ms: number,
                country: Country::UNKNOWN,
                id: &id,
            };
            apply.visit(black_box(visit))
        });
    });
    group.bench_function("draining 249 countries", |bencher| {
        bencher.iter(|| {
            let every = (0..249).filter_map(Country::from_index).map(|country| (country, 3));
            apply.visits(SiteId::DEFAULT, every);
            apply.drain()
        });
    });
    group.finish();
}

criterion_group!(benches, request, keeping, applying);
criterion_main!(benches);
