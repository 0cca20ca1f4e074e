//! A series of faults of one kind: its rounds, its checks, its line of figures.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::checker::{self, Checker, Violations};
use crate::rows::Rows;
use crate::scale;
use crate::support::backend::{DEFAULT_SITE, counts_in, events_in, visits_in, with_events};
use crate::support::batches::{Batch, Told};
use crate::support::dice::Dice;
use crate::support::gateway::Gateway;
use crate::support::history::{Fate, History, Sent};
use crate::support::load::{Load, send_visit};
use crate::support::redis::RedisServer;
use crate::support::report::{Report, metric};
use crate::support::wait::{SOON, until, until_true};

/// Connections that send while something breaks.
pub const CONNECTIONS: usize = 64;
/// Visits they send a second, all together.
pub const PER_SECOND: u32 = 2_400;
/// How long counting may take to come up with what was kept.
const DRAIN: Duration = Duration::from_mins(1);

/// One series while it runs.
#[derive(Debug)]
pub struct Series {
    name: String,
    seed: u64,
    /// Decides moments and kinds.
    pub dice: Dice,
    checker: Checker,
    violations: Violations,
    faults: u64,
    ok: u64,
    fail: u64,
    unknown: u64,
    tries: u64,
    /// Events that were kept.
    events: u64,
    /// What must be in the event stores, and what is.
    rows: Rows,
    begin: Instant,
    file: Option<BufWriter<File>>,
}

impl Series {
    /// A series with the seed that is usual for it; the seed is printed.
    pub fn begin(name: &str, usual_seed: u64) -> Self {
        let seed = scale::seed(usual_seed);
        eprintln!("{name}: FOOTFALL_FAULTS_SEED={seed}");
        let history = folder().join(format!("{name}.history"));
        let file = scale::is_full().then(|| BufWriter::new(File::create(history).unwrap()));
        let series = Self {
            name: name.to_owned(),
            seed,
            dice: Dice::new(seed),
            checker: Checker::default(),
            violations: Violations::default(),
            faults: 0,
            ok: 0,
            fail: 0,
            unknown: 0,
            tries: 0,
            events: 0,
            rows: Rows::default(),
            begin: Instant::now(),
            file,
        };
        // A series that breaks off must not be missing from the report.
        series.write_figures(name.starts_with("control-"), false);
        series
    }

    /// The load of a series: half of the visits have keys, there are batches of events among them, and connections that
    /// are lost are made again.
    pub fn load(&self, gateway: &Gateway) -> Load {
        // No two loads of a series may use a key twice.
        let sent = self.ok + self.fail + self.unknown;
        let prefix = format!("{}-{}-{sent}", self.name, gateway.address().port());
        Load::new(gateway.address(), CONNECTIONS)
            .half_keyed(&prefix)
            .with_batches(&prefix)
            .steadfast()
            .per_second(PER_SECOND)
    }

    /// Notes that something was broken.
    pub fn broke(&mut self, times: u64) {
        self.faults += times;
    }

    /// Ends a round: sends what is of unknown fate again if it can be, waits until all is counted, checks.
    #[track_caller]
    pub fn settle(&mut self, history: History, gateway: &Gateway, server: Option<&RedisServer>) {
        let counted = self.settle_counters(history, gateway, server);
        self.check_stored(gateway, &counted);
    }

    /// The same without a look at the event store; what is counted.
    #[track_caller]
    pub fn settle_counters(&mut self, mut history: History, gateway: &Gateway, server: Option<&RedisServer>) -> Report {
        Self::send_again(&mut history, gateway);
        let (counted, apart) = drained(gateway, server);
        self.violations.told.extend(apart);
        self.check(&[history], &counted);
        counted
    }

    /// Waits until the event store of the only gateway that ever counted has as many events as are counted.
    pub fn check_stored(&mut self, gateway: &Gateway, counted: &Report) {
        let (deadline, counted) = (Instant::now() + DRAIN, Rows::counted(counted));
        let apart = until("the event store to have what is counted", DRAIN + SOON, || {
            let stored = metric(gateway, "footfall_store_events");
            let apart = format!("{stored} events are stored, {counted} counted");
            (stored == counted)
                .then_some(None)
                .or_else(|| (Instant::now() > deadline).then_some(Some(apart)))
        });
        self.violations.told.extend(apart);
    }

    /// Checks a round, what was sent to each gateway, against what was counted, and that no number was given twice.
    pub fn check(&mut self, histories: &[History], counted: &Report) {
        self.violations.told.extend(checker::repeated(histories));
        self.check_counts(histories, counted);
    }

    /// Checks a round against what was counted.
    pub fn check_counts(&mut self, histories: &[History], counted: &Report) {
        for sent in histories.iter().flat_map(|history| &history.visits) {
            match sent.fate {
                Fate::Kept { .. } => self.ok += 1,
                Fate::Refused(_) => self.fail += 1,
                Fate::Unknown => self.unknown += 1,
            }
            self.tries += sent.tries;
        }
        for batch in histories.iter().flat_map(|history| &history.batches) {
            self.tries += batch.tries;
            if batch.told == Told::Kept {
                self.events += Batch::EVENTS;
            }
            self.rows.sent(batch);
        }
        self.violations.told.extend(checker::wrong(histories));
        if let Some(file) = &mut self.file {
            for history in histories {
                write_down(file, history);
            }
        }
        let found = self.checker.check(histories, counted);
        if !found.is_empty() {
            eprintln!("{}: after {} faults: {:?}", self.name, self.faults, found.told);
        }
        self.violations.add(found);
    }

    /// Sends visits with a key, and events with ids or one, again until it is known what became of them.
    pub fn send_again(history: &mut History, gateway: &Gateway) {
        let doubtful = |sent: &&mut Sent| sent.fate == Fate::Unknown && sent.key.is_some();
        for sent in history.visits.iter_mut().filter(doubtful) {
            let mut client = gateway.client();
            sent.fate = until("a visit sent again to be kept", DRAIN, || {
                sent.tries += 1;
                let fate = send_visit(&mut client, &sent.country, sent.key.as_deref());
                matches!(fate, Fate::Kept { .. }).then_some(fate)
            });
        }
        let doubtful = |batch: &&mut Batch| batch.told == Told::Unknown && batch.can_be_repeated();
        for batch in history.batches.iter_mut().filter(doubtful) {
            let mut client = gateway.client();
            until_true("a batch sent again to be kept", || {
                batch.send(&mut client) == Told::Kept
            });
        }
    }

    /// Ends the series: stops the gateway, has it verified, writes the figures, and fails if anything was lost or
    /// counted twice.
    #[track_caller]
    pub fn end(mut self, mut gateway: Gateway) {
        self.verify(&mut gateway);
        self.end_verified();
    }

    /// Stops a gateway, has it verified, and reads its event store.
    pub fn verify(&mut self, gateway: &mut Gateway) {
        gateway.stop();
        self.verify_ended(gateway);
    }

    /// The same with one that has ended.
    pub fn verify_ended(&mut self, gateway: &Gateway) {
        self.violations.told.extend(self.rows.read(&gateway.data_dir()));
        let verified = gateway.settings().run(&["verify"]);
        if !verified.status.success() {
            let said = String::from_utf8_lossy(&verified.stdout).into_owned();
            self.violations.told.push(format!("verify: {said}"));
        }
    }

    /// The same when that has been done.
    #[track_caller]
    pub fn end_verified(mut self) {
        self.violations.add(self.rows.check());
        self.write_figures(false, true);
        assert!(self.ok > 0 && self.events > 0, "{}: nothing was kept", self.name);
        assert!(
            self.violations.is_empty(),
            "{} (FOOTFALL_FAULTS_SEED={}): {} lost, {} doubled: {:#?}",
            self.name,
            self.seed,
            self.violations.lost,
            self.violations.doubled,
            self.violations.told
        );
    }

    /// Fails if anything was found so far.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.violations.is_empty(), "{}: {:?}", self.name, self.violations.told);
    }

    /// Ends a control of what is stored: fails if neither the rows of the stores that were read nor `verify` are wrong.
    #[track_caller]
    pub fn end_control_of_rows(mut self) {
        let verified = self.violations.told.iter().any(|told| told.starts_with("verify: "));
        assert!(verified, "{}: verify has noticed nothing", self.name);
        self.violations.add(self.rows.check());
        self.end_control();
    }

    /// Ends a control: fails if the checker has found nothing.
    #[track_caller]
    pub fn end_control(self) {
        self.write_figures(true, true);
        let found = self.violations.lost + self.violations.doubled;
        assert!(
            found > 0,
            "{}: a protection was taken away, and nobody noticed",
            self.name
        );
    }

    /// Ends a control whose requests should have failed.
    #[track_caller]
    pub fn end_control_of_answers(self) {
        self.write_figures(true, true);
        assert!(
            self.unknown + self.fail > 0,
            "{}: a protection was taken away, and no request failed",
            self.name
        );
    }

    fn write_figures(&self, control: bool, ended: bool) {
        let figures = serde_json::json!({
            "name": self.name,
            "control": control,
            "ended": ended,
            "scale": scale::pick("short", "full"),
            "count": self.faults,
            "seed": self.seed,
            "requests": self.tries,
            "visits": self.ok + self.fail + self.unknown,
            "events": self.events,
            "stored": self.rows.read_so_far(),
            "ok": self.ok,
            "unknown": self.unknown,
            "fail": self.fail,
            "lost": self.violations.lost,
            "doubled": self.violations.doubled,
            "findings": self.violations.told.len(),
            "connections": CONNECTIONS,
            "seconds": (self.begin.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        });
        let path = folder().join(format!("{}.json", self.name));
        fs::write(path, format!("{figures}\n")).unwrap();
        if ended {
            eprintln!("{figures}");
        }
    }
}

/// What is counted once all that was kept has arrived.
#[track_caller]
pub fn counted(gateway: &Gateway, server: Option<&RedisServer>) -> Report {
    drained(gateway, server).0
}

/// What is counted once all that was kept has arrived, and what is wrong if that does not come to pass: then what
/// Redis holds is what is counted.
#[track_caller]
fn drained(gateway: &Gateway, server: Option<&RedisServer>) -> (Report, Option<String>) {
    let waiting = || metric(gateway, "footfall_journal_spool_bytes");
    let Some(server) = server else {
        let counted = until("the counters to be written down", DRAIN, || {
            let applied = metric(gateway, "footfall_counters_applied_sequence");
            let (events, upto) = events_in(&gateway.data_dir(), DEFAULT_SITE);
            (waiting() == 0 && upto >= applied).then(|| with_events(gateway.report(), events))
        });
        return (counted, None);
    };
    let deadline = Instant::now() + DRAIN;
    until("Redis to answer", DRAIN + SOON, || {
        let held = visits_in(server);
        let reported = gateway.client().get("/api/v1/stats").text();
        let is_same = serde_json::from_str(&reported).is_ok_and(|counts| Report(counts) == held);
        if is_same && waiting() == 0 {
            return Some((counts_in(server), None));
        }
        let apart = format!(
            "the gateway says {reported}, Redis holds {held:?}, {} bytes wait",
            waiting()
        );
        (Instant::now() > deadline).then(|| (counts_in(server), Some(apart)))
    })
}

/// Where figures and histories are left.
fn folder() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = target.join("faults").join(scale::pick("short", ""));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn write_down(file: &mut impl Write, history: &History) {
    for batch in &history.batches {
        writeln!(
            file,
            "{} {} {} {:?}",
            batch.counter(),
            batch.stem(),
            batch.tries,
            batch.told
        )
        .unwrap();
    }
    for sent in &history.visits {
        let key = sent.key.as_deref().unwrap_or("-");
        let fate = match sent.fate {
            Fate::Kept { status, .. } => format!("ok {status}"),
            Fate::Refused(status) => format!("fail {status}"),
            Fate::Unknown => "unknown".to_owned(),
        };
        writeln!(file, "{} {key} {} {fate}", sent.country, sent.tries).unwrap();
    }
}
