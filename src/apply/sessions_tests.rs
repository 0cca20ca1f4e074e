//! Sessions against a slow look at every activity.

use proptest::collection::vec;
use proptest::prelude::*;

use super::sessions::*;
use crate::event::{Sequence, SiteId};

const MINUTE: u64 = MINUTE_MS;
const BIRTH: u64 = 1_000 * MINUTE;

fn activity(number: u64, site: u8, who: u128, (time_ms, received_ms): (u64, u64)) -> Activity {
    Activity {
        site: SiteId([site; 16]),
        who: Who(who),
        time_ms,
        received_ms,
        sequence: Sequence(number),
    }
}

fn sessions() -> Sessions<()> {
    Sessions::new(&[0; 16], 1_000)
}

/// The number of the session that takes an activity.
fn take(sessions: &mut Sessions<()>, activity: &Activity) -> Option<u64> {
    match sessions.take(activity, Some(|_| ())) {
        Joined::Began(open) => Some(open.number),
        Joined::Joined(open) => Some(open.number),
        Joined::Nobody => None,
    }
}

/// The same sessions as someone who was told of them.
fn again(sessions: &Sessions<()>) -> Sessions<()> {
    let mut same = self::sessions();
    sessions
        .sites()
        .for_each(|(site, time_ms)| same.restore_site(site, time_ms));
    sessions.iter().for_each(|open| same.restore(open.clone()));
    same
}

/// A session as a slow look at everything finds it.
struct Slow {
    number: u64,
    site: SiteId,
    who: Who,
    times: Vec<u64>,
    taken: (u64, u64),
}

/// Which session each activity belongs to: all that ever were are looked at.
fn slowly(activities: &[Activity]) -> Vec<u64> {
    let mut all: Vec<Slow> = Vec::new();
    let mut numbers = Vec::new();
    for (place, activity) in activities.iter().enumerate() {
        let before = &activities[..=place];
        let of_site = before.iter().filter(|other| other.site == activity.site);
        let site_ms = of_site.map(|other| other.time_ms).max().unwrap();
        let received_ms = before.iter().map(|other| other.received_ms).max().unwrap();
        let may_join = |slow: &&mut Slow| {
            let near = slow.times.iter().any(|time| time.abs_diff(activity.time_ms) < GAP_MS);
            let between = slow.times.iter().any(|time| *time <= activity.time_ms)
                && slow.times.iter().any(|time| *time >= activity.time_ms);
            (slow.site, slow.who) == (activity.site, activity.who)
                && site_ms - slow.taken.0 < GAP_MS
                && received_ms - slow.taken.1 < GAP_MS
                && (near || between)
        };
        let joined = all
            .iter_mut()
            .filter(may_join)
            .max_by_key(|slow| slow.times.iter().max().copied());
        let slow = if let Some(slow) = joined {
            slow
        } else {
            all.push(Slow {
                number: activity.sequence.0,
                site: activity.site,
                who: activity.who,
                times: Vec::new(),
                taken: (0, 0),
            });
            all.last_mut().unwrap()
        };
        slow.times.push(activity.time_ms);
        slow.taken = (site_ms, received_ms);
        numbers.push(slow.number);
    }
    numbers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn activities_belong_to_the_sessions_that_a_slow_look_at_all_finds(
        steps in vec((0..3u8, 0..4u128, 0..20u64, 0..100u64, any::<bool>()), 1..300),
    ) {
        let mut received_ms = BIRTH;
        let mut activities = Vec::new();
        for (number, (site, who, later, late, is_late)) in (1..).zip(&steps) {
            received_ms += later * MINUTE / 3;
            let time_ms = if *is_late { received_ms - late * MINUTE } else { received_ms };
            activities.push(activity(number, *site, u128::from(*site) << 8 | *who, (time_ms, received_ms)));
        }
        let expected = slowly(&activities);
        let mut sessions = sessions();
        let (mut over, mut began) = (Vec::new(), std::collections::BTreeSet::new());
        for (place, (activity, expected)) in activities.iter().zip(&expected).enumerate() {
            if place % 7 == 3 {
                over.extend(sessions.take_over());
                sessions = again(&sessions);
            }
            prop_assert_eq!(take(&mut sessions, activity), Some(*expected), "activity {}", place);
            began.insert(*expected);
        }
        over.extend(sessions.take_over());
        // Each ends once, or goes on.
        let mut numbers: Vec<u64> = over.iter().chain(sessions.iter()).map(|open| open.number).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, began.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(sessions.count(), sessions.iter().count());
    }
}

#[test]
fn a_pause_of_half_an_hour_ends_a_session_and_one_below_does_not() {
    let mut sessions = sessions();
    let mut at = |number, time_ms| take(&mut sessions, &activity(number, 1, 1, (time_ms, time_ms)));
    assert_eq!(at(1, BIRTH), Some(1));
    assert_eq!(at(2, BIRTH + GAP_MS - 1), Some(1));
    assert_eq!(at(3, BIRTH + 2 * GAP_MS - 1), Some(3));
}

#[test]
fn a_late_event_joins_what_it_is_near_to_and_two_sessions_are_never_made_one() {
    let mut sessions = sessions();
    let now = BIRTH + 60 * MINUTE;
    // The site's time does not go on meanwhile.
    take(&mut sessions, &activity(9, 1, 9, (now, now)));
    let mut at = |number, time_ms| take(&mut sessions, &activity(number, 1, 1, (time_ms, now)));
    assert_eq!(at(1, now - 40 * MINUTE), Some(1));
    assert_eq!(at(2, now), Some(2));
    // Between both, and near to both: the later one has it.
    assert_eq!(at(3, now - 20 * MINUTE), Some(2));
    assert_eq!(at(4, now - 55 * MINUTE), Some(1));
    assert_eq!(at(5, now - 10 * 60 * MINUTE), Some(5));
}

#[test]
fn a_site_that_fell_silent_ends_its_sessions_when_others_go_on() {
    let mut sessions = sessions();
    take(&mut sessions, &activity(1, 1, 1, (BIRTH, BIRTH)));
    let later = BIRTH + GAP_MS;
    take(&mut sessions, &activity(2, 2, 2, (later, later)));
    assert_eq!(
        sessions.take_over().iter().map(|open| open.number).collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn what_is_sent_from_long_ago_at_one_go_is_one_session() {
    let mut sessions = sessions();
    let now = BIRTH * 50;
    take(&mut sessions, &activity(1, 1, 9, (now, now)));
    let mut at = |number, time_ms| take(&mut sessions, &activity(number, 1, 1, (time_ms, now)));
    let all: Vec<_> = (2..12).map(|number| at(number, BIRTH + number * MINUTE)).collect();
    assert_eq!(all, vec![Some(2); 10]);
}

#[test]
fn a_sign_of_life_moves_an_end_and_begins_nothing() {
    let mut sessions = sessions();
    let none = None::<fn(u64)>;
    assert_eq!(sessions.take(&activity(1, 1, 1, (BIRTH, BIRTH)), none), Joined::Nobody);
    take(&mut sessions, &activity(2, 1, 1, (BIRTH, BIRTH)));
    let later = BIRTH + 20 * MINUTE;
    assert!(matches!(
        sessions.take(&activity(3, 1, 1, (later, later)), none),
        Joined::Joined(open) if open.number == 2 && open.end_ms == later
    ));
}

#[test]
fn one_too_many_ends_the_one_that_took_something_longest_ago() {
    let mut sessions = Sessions::<()>::new(&[0; 16], 2);
    let mut at = |number, who, minute: u64| {
        let time_ms = BIRTH + minute * MINUTE;
        take(&mut sessions, &activity(number, 1, who, (time_ms, time_ms)))
    };
    at(1, 1, 0);
    at(2, 2, 1);
    assert_eq!(at(3, 1, 2), Some(1));
    at(4, 3, 3);
    assert_eq!(
        sessions.take_over().iter().map(|open| open.number).collect::<Vec<_>>(),
        [2]
    );
    assert_eq!((sessions.count(), sessions.take_cut_short()), (2, 1));
}

#[test]
fn numbers_fit_where_clients_have_53_bits_and_tell_gateways_apart() {
    let number = |key| Sessions::<()>::new(&[key; 16], 1).number(Sequence(77));
    assert_eq!(number(0), 77);
    assert_ne!(number(1), number(2));
    assert!(number(255) < 1 << 53);
}
