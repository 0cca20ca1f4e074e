//! What changes do, on every kind of directory.

use std::sync::{Arc, Barrier};
use std::thread;

use footfall::config::Config;
use footfall::directory::{Grant, KeyWish, Rights, SiteWish};
use footfall::event::SiteId;

use crate::{Home, keeper, named, names, refused, with_domain, write_key};

const FAR: u64 = 4_000_000_000_000;

#[tokio::test]
async fn what_one_process_adds_another_finds_at_its_next_look() {
    for home in Home::all() {
        let (mut one, mut two) = (home.keeper(), keeper(&home.neighbour()));
        two.refresh().await.unwrap();
        let site = one
            .add_site(&with_domain("shop", "WWW.Shop.example"), None)
            .await
            .unwrap();
        let (new, record) = one.add_key(&write_key("shop")).await.unwrap();
        assert!(
            one.directory().key(&new.text, FAR).is_some(),
            "at once where it was made"
        );
        assert_eq!(two.directory().key(&new.text, FAR), None, "not before it looks");
        two.refresh().await.unwrap();
        let directory = two.directory();
        assert_eq!(*directory.site(site.id).unwrap(), site);
        assert_eq!(directory.site_of_domain("shop.example:8080"), Some(site.id));
        let grant = Grant {
            site: record.key.site,
            rights: record.key.rights,
        };
        assert_eq!(directory.key(&new.text, FAR), Some(grant));
        assert_eq!(directory.key(&new.text.replace("ak_live", "ak_test"), FAR), None);

        two.revoke_key(&new.id).await.unwrap();
        assert_eq!(directory.key(&new.text, FAR), None, "at once where it was revoked");
        one.refresh().await.unwrap();
        assert_eq!(one.directory().key(&new.text, FAR), None);
        assert_eq!(refused(one.revoke_key(&new.id).await), "key");
    }
}

#[tokio::test]
async fn everything_is_there_again_after_a_start() {
    for home in Home::all() {
        let mut before = home.keeper();
        before
            .add_site(&with_domain("shop", "shop.example"), None)
            .await
            .unwrap();
        let wish = KeyWish {
            site: "default".into(),
            rights: Rights::Read,
            name: "report".into(),
            expires_ms: Some(FAR),
        };
        before.add_key(&wish).await.unwrap();
        let wish = SiteWish {
            time_zone: Some("asia/kolkata".into()),
            ..SiteWish::default()
        };
        before.change_site("default", &wish).await.unwrap();

        let mut after = home.keeper();
        after.refresh().await.unwrap();
        let (before, after) = (before.directory().register(), after.directory().register());
        assert_eq!(before.sites().collect::<Vec<_>>(), after.sites().collect::<Vec<_>>());
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        assert_eq!(&*after.site(SiteId::DEFAULT).unwrap().time_zone, "Asia/Kolkata");
    }
}

#[tokio::test]
async fn two_sites_never_share_a_name_a_domain_or_an_id() {
    for home in Home::all() {
        let (mut one, mut two) = (home.keeper(), keeper(&home.neighbour()));
        let shop = one.add_site(&with_domain("shop", "shop.example"), None).await.unwrap();
        // The other has not looked since: the rules hold all the same.
        assert_eq!(refused(two.add_site(&named("shop"), None).await), "name");
        assert_eq!(refused(two.add_site(&named("default"), None).await), "name");
        assert_eq!(
            refused(two.add_site(&with_domain("blog", "www.shop.example"), None).await),
            "domain"
        );
        assert_eq!(refused(two.add_site(&named("blog"), Some(shop.id)).await), "id");
        assert_eq!(refused(two.add_site(&named("blog"), Some(SiteId::DEFAULT)).await), "id");
        two.add_site(&named("blog"), None).await.unwrap();
        assert_eq!(refused(one.change_site("blog", &named("shop")).await), "name");
        assert_eq!(
            refused(
                one.change_site("default", &with_domain("default", "shop.example"))
                    .await
            ),
            "domain"
        );
        // Itself a site does not stand in the way of.
        one.change_site("shop", &with_domain("shop", "shop.example"))
            .await
            .unwrap();
        assert_eq!(names(&one), ["blog", "default", "shop"]);
    }
}

#[tokio::test]
async fn a_site_with_keys_is_removed_only_with_them_and_can_come_back_under_its_id() {
    for home in Home::all() {
        let mut keeper = home.keeper();
        let shop = keeper
            .add_site(&with_domain("shop", "shop.example"), None)
            .await
            .unwrap();
        let (new, _) = keeper.add_key(&write_key("shop")).await.unwrap();
        assert_eq!(refused(keeper.remove_site("shop", false).await), "site");
        assert_eq!(refused(keeper.remove_site("default", true).await), "site");
        assert_eq!(refused(keeper.remove_site("blog", true).await), "site");
        keeper.remove_site(&shop.id.to_string(), true).await.unwrap();
        let directory = keeper.directory();
        assert_eq!(directory.site(shop.id), None);
        assert_eq!(directory.site_of_domain("shop.example"), None);
        assert_eq!(directory.key(&new.text, 0), None);
        let again = keeper.add_site(&named("shop"), Some(shop.id)).await.unwrap();
        assert_eq!(again.id, shop.id);
        assert_eq!(directory.key(&new.text, 0), None, "a revoked key stays revoked");
    }
}

#[tokio::test]
async fn a_key_ends_at_its_time_and_is_never_made_for_the_past_or_for_nobody() {
    for home in Home::all() {
        let mut keeper = home.keeper();
        let ending = |expires_ms| KeyWish {
            expires_ms: Some(expires_ms),
            ..write_key("default")
        };
        let (new, _) = keeper.add_key(&ending(FAR)).await.unwrap();
        let directory = keeper.directory();
        assert!(directory.key(&new.text, FAR - 1).is_some());
        assert_eq!(directory.key(&new.text, FAR), None);
        assert_eq!(refused(keeper.add_key(&ending(1)).await), "expires");
        assert_eq!(refused(keeper.add_key(&write_key("nowhere")).await), "site");
        let broken = KeyWish {
            name: "a\nb".into(),
            ..write_key("default")
        };
        assert_eq!(refused(keeper.add_key(&broken).await), "name");
        assert_eq!(directory.register().keys().len(), 1);
    }
}

#[tokio::test]
async fn limits_hold() {
    for mut home in Home::all() {
        home.config.directory.sites_max = 2;
        home.config.directory.keys_max = 1;
        home.config.directory.domains_max = 1;
        let mut keeper = home.keeper();
        let mut many = with_domain("shop", "a.example");
        many.domains.as_mut().unwrap().push("b.example".into());
        assert_eq!(refused(keeper.add_site(&many, None).await), "domain");
        keeper.add_site(&named("shop"), None).await.unwrap();
        assert_eq!(refused(keeper.add_site(&named("blog"), None).await), "site");
        keeper.add_key(&write_key("shop")).await.unwrap();
        assert_eq!(refused(keeper.add_key(&write_key("shop")).await), "key");
    }
}

/// Rounds of a race in which two processes want the same.
const ROUNDS: usize = 40;

/// Both work their change out on the same edition again and again: only one may be written.
#[tokio::test]
async fn of_changes_at_the_same_time_that_exclude_each_other_one_is_made() {
    for home in Home::all() {
        let (start, config) = (Arc::new(Barrier::new(3)), home.config.clone());
        let racers: Vec<_> = (0..3)
            .map(|_| {
                let (start, config) = (start.clone(), config.clone());
                // A thread each: SQLite blocks.
                thread::spawn(move || race(&config, &start))
            })
            .collect();
        let won: usize = racers.into_iter().map(|racer| racer.join().unwrap()).sum();
        assert_eq!(won, ROUNDS, "each name has one winner");
        let mut keeper = home.keeper();
        keeper.refresh().await.unwrap();
        assert_eq!(names(&keeper).len(), ROUNDS + 1);
    }
}

fn race(config: &Config, start: &Barrier) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut keeper = keeper(config);
    let mut add = |round| {
        start.wait();
        let wish = named(&format!("site {round}"));
        match runtime.block_on(keeper.add_site(&wish, None)) {
            Ok(_) => true,
            other => refused(other) != "name",
        }
    };
    (0..ROUNDS).filter(|round| add(*round)).count()
}

#[tokio::test]
async fn names_that_a_database_could_misread_are_only_names() {
    for home in Home::all() {
        let mut one = home.keeper();
        let strange = [
            "'; DROP TABLE sites; --",
            "{0}:visits",
            "site:1",
            "\"},{\"",
            "ü😀",
            "--json",
        ];
        for name in strange {
            one.add_site(&named(name), None).await.unwrap();
        }
        let mut two = keeper(&home.neighbour());
        two.refresh().await.unwrap();
        for name in strange {
            assert!(two.directory().register().find_site(name).is_some(), "{name}");
        }
    }
}
