//! What the doors cost a request: the limit, for one busy address and among a million, and the country of an address.
//!
//! `cargo bench --bench doors`

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use footfall::admit::Limiter;
use footfall::config::{GeoConfig, LimitConfig};
use footfall::enrich::GeoWatch;
use footfall::metrics::LimitMetrics;

const ADDRESSES: u32 = 1_000_000;
/// Odd, so that stepping by it visits every address of a power of two before one comes again.
const STEP: u32 = 2_654_435_761;

fn limiter(max: u32) -> Limiter {
    let config = LimitConfig {
        max,
        ..LimitConfig::default()
    };
    Limiter::new(&config, &LimitMetrics::default())
        .expect("the limit can be kept")
        .expect("the limit is on")
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0b00_0000 + number % ADDRESSES).into()
}

fn limit(criterion: &mut Criterion) {
    let generous = limiter(1_000_000_000);
    criterion.bench_function("limit: admit one busy address", |bencher| {
        bencher.iter(|| generous.check(black_box(address(7))));
    });

    let strict = limiter(1);
    strict.check(address(7));
    criterion.bench_function("limit: refuse one busy address", |bencher| {
        bencher.iter(|| strict.check(black_box(address(7))));
    });

    for number in 0..ADDRESSES {
        generous.check(address(number));
    }
    let mut number = 0_u32;
    criterion.bench_function("limit: admit one of a million addresses", |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(STEP);
            generous.check(black_box(address(number)))
        });
    });

    let verdict = generous.check(address(7));
    criterion.bench_function("limit: write RateLimit", |bencher| {
        bencher.iter(|| black_box(verdict).rate_limit());
    });
}

fn geo(criterion: &mut Criterion) {
    for kind in ["Country", "City"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/geo");
        let watch = GeoWatch::open(&GeoConfig {
            database: Some(format!("{folder}/GeoIP2-{kind}-Test.mmdb").into()),
            ..GeoConfig::default()
        });
        let british: IpAddr = Ipv4Addr::new(81, 2, 69, 160).into();
        assert!(watch.lookup(british).is_some());
        criterion.bench_function(&format!("geo: country of an address, {kind} database"), |bencher| {
            bencher.iter(|| watch.lookup(black_box(british)));
        });
    }
}

criterion_group!(doors, limit, geo);
criterion_main!(doors);
