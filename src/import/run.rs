//! The import of one file.

use std::hash::Hasher;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Instant;

use siphasher::sip::SipHasher13;

use super::batches::{Batch, Ended, Format, Reading, read};
use super::gateway::{Gateway, GatewayError, Report, Told};
use super::lines::{End, Lines};
use super::page_view::LogRules;
use super::progress::{Progress, is_watched};
use super::rejects::Rejects;
use super::summary::Summary;
use super::trouble::ImportError;
use crate::clock::Clock;

/// Batches that are ready while one is on its way.
const READY_MAX: usize = 2;
/// Blank lines that may stand before the first that says anything.
const BLANK_MAX: usize = 1_000;

/// What to import, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The file; `-` is the standard input.
    pub file: PathBuf,
    /// What its lines are; by its first line if nobody says.
    pub format: Option<Format>,
    /// How lines of access logs are read.
    pub rules: LogRules,
    /// The import's name; by the first line if nobody says.
    pub name: Option<String>,
    /// Where lines go that can be no event; beside the file if nobody says.
    pub rejects: Option<PathBuf>,
    /// Lines of a batch.
    pub lines_max: u64,
    /// Whether a last line without an end is taken.
    pub takes_open_end: bool,
    /// Whether nothing is shown meanwhile.
    pub quiet: bool,
}

/// Imports a file; must be called on a local runtime.
///
/// # Errors
/// When the file cannot be read, is not what was imported before, or the gateway does not take it.
pub async fn import_file<C: Clock>(
    plan: &Plan,
    gateway: &Gateway<C>,
    clock: &C,
    shown: &mut dyn Write,
) -> Result<Summary, ImportError> {
    let begun = clock.now();
    let failed = |error| ImportError::File(plan.file.clone(), error);
    let mut lines = Lines::open(&plan.file).map_err(failed)?;
    let first = first_line(plan, &mut lines)?;
    let format = plan.format.unwrap_or(Format::of(&first));
    let name = plan.name.clone().unwrap_or_else(|| name_of(format, &first));
    let told = gateway.ask(&name).await?;
    let path = plan.rejects.clone().unwrap_or_else(|| rejects_beside(&plan.file));
    let rejects = Rejects::open(&path, &name).map_err(|error| ImportError::File(path, error))?;
    let reading = reading(plan, format, &told);
    let out = (!plan.quiet && is_watched()).then_some(shown);
    let mut running = Running {
        progress: Progress::new(out, &plan.file.display().to_string(), lines.bytes, begun),
        summary: Summary {
            file: plan.file.display().to_string(),
            name,
            before: told.taken,
            ..Summary::default()
        },
        rejects,
        taken: told.taken,
    };
    let (sender, batches) = sync_channel(READY_MAX);
    // It ends with its file, or when nobody wants its batches.
    thread::Builder::new()
        .name("reader".into())
        .spawn(move || read(lines, reading, &sender))
        .map_err(failed)?;
    let ended = running.go(&batches, gateway, clock).await;
    running.progress.end();
    let Running {
        mut summary, rejects, ..
    } = running;
    summary.left_open = ended.map_err(|why| explain(why, plan, format, &summary))?;
    summary.rejects = (rejects.added > 0).then(|| rejects.path().to_owned());
    summary.seconds = clock.now().saturating_duration_since(begun).as_secs_f64();
    Ok(summary)
}

/// Why batches are not sent any more.
enum Stopped {
    Ended(Ended),
    Gateway(GatewayError),
    Rejects(io::Error),
    Stepped(u64, u64),
}

struct Running<'w> {
    progress: Progress<'w>,
    summary: Summary,
    rejects: Rejects,
    /// Lines that the gateway has said it took.
    taken: u64,
}

impl Running<'_> {
    /// Sends batches until there are no more; whether a last line was left.
    async fn go<C: Clock>(
        &mut self,
        batches: &Receiver<Result<Batch, Ended>>,
        gateway: &Gateway<C>,
        clock: &C,
    ) -> Result<bool, Stopped> {
        loop {
            let batch = match batches.recv() {
                Ok(Ok(batch)) => batch,
                Ok(Err(Ended::Whole(left_open))) => return Ok(left_open),
                Ok(Err(ended)) => return Err(Stopped::Ended(ended)),
                Err(_) => {
                    return Err(Stopped::Ended(Ended::Io(io::Error::other(
                        "it could not be read to its end",
                    ))));
                }
            };
            let sent = gateway
                .send_lines(&self.summary.name, (batch.from, batch.digest), &batch.body)
                .await;
            let report = match sent {
                Ok(report) => report,
                Err(GatewayError::Refused(409, words)) => return Err(self.gap(gateway, words).await),
                Err(error) => return Err(Stopped::Gateway(error)),
            };
            self.note(&batch, &report, clock.now()).map_err(Stopped::Rejects)?;
        }
    }

    /// The gateway lacks lines that it had taken, or takes no import at all.
    async fn gap<C: Clock>(&self, gateway: &Gateway<C>, words: String) -> Stopped {
        match gateway.ask(&self.summary.name).await {
            Ok(told) if told.taken < self.taken => Stopped::Stepped(told.taken, self.taken),
            _ => Stopped::Gateway(GatewayError::Refused(409, words)),
        }
    }

    fn note(&mut self, batch: &Batch, report: &Report, now: Instant) -> io::Result<()> {
        let before = self.summary.before;
        let flaws = report.errors.iter().map(|flaw| (flaw.line, flaw.words()));
        let broken = batch.broken.iter().map(|(line, why)| (*line, (*why).to_owned()));
        let mut wrong: Vec<_> = flaws.chain(broken).collect();
        wrong.sort_unstable();
        self.rejects
            .add(wrong.iter().map(|(line, why)| (*line, why.as_str(), batch.line(*line))))?;
        let flawed = report.errors.iter().filter(|flaw| flaw.line > before).count() as u64;
        let summary = &mut self.summary;
        summary.lines += (batch.from + batch.lines).saturating_sub(before.max(batch.from));
        summary.events += batch.events.saturating_sub(flawed);
        summary.rejected += wrong.iter().filter(|(line, _)| *line > before).count() as u64;
        for (why, count) in &batch.skipped {
            summary.skipped += count;
            *summary.skipped_reasons.entry(why.to_string()).or_default() += count;
        }
        self.taken = report.taken;
        self.progress.show(batch.position, summary.lines, now);
        Ok(())
    }
}

fn explain(why: Stopped, plan: &Plan, format: Format, summary: &Summary) -> ImportError {
    let (file, name) = (summary.file.clone(), summary.name.clone());
    match why {
        Stopped::Gateway(error) => error.into(),
        Stopped::Stepped(now, before) => ImportError::Stepped { now, before },
        Stopped::Rejects(error) => {
            let rejects = plan.rejects.clone().unwrap_or_else(|| rejects_beside(&plan.file));
            ImportError::File(rejects, error)
        }
        Stopped::Ended(Ended::Changed(lines)) => ImportError::Changed { file, name, lines },
        Stopped::Ended(Ended::Shorter(lines)) => ImportError::Shorter {
            file,
            name,
            lines,
            taken: summary.before,
        },
        Stopped::Ended(Ended::Strange(why)) => ImportError::Strange {
            file,
            format: match format {
                Format::Events => "list of events",
                Format::AccessLog => "access log",
            },
            why,
        },
        Stopped::Ended(Ended::Io(error)) => ImportError::File(plan.file.clone(), error),
        Stopped::Ended(Ended::Whole(_)) => ImportError::Empty(plan.file.clone()),
    }
}

fn reading(plan: &Plan, format: Format, told: &Told) -> Reading {
    Reading {
        format,
        rules: plan.rules.clone(),
        taken: told.taken,
        checked: (told.checked, u64::from_str_radix(&told.digest, 16).unwrap_or(0)),
        again: told.lines_max,
        lines_max: plan.lines_max.clamp(1, told.lines_max.max(1)),
        bytes_max: told.body_bytes_max,
        takes_open_end: plan.takes_open_end,
    }
}

/// The first line that says anything; all lines are read again afterwards.
fn first_line(plan: &Plan, lines: &mut Lines) -> Result<Vec<u8>, ImportError> {
    let (mut read, mut first) = (Vec::new(), None);
    while read.len() < BLANK_MAX && first.is_none() {
        let mut line = Vec::new();
        let end = lines
            .next(&mut line)
            .map_err(|error| ImportError::File(plan.file.clone(), error))?;
        let is_open = end == Some(End::Open) && lines.may_grow && !plan.takes_open_end;
        let Some(end) = end.filter(|_| !is_open) else { break };
        first = (!line.trim_ascii().is_empty()).then(|| line.clone());
        read.push((line, end));
    }
    lines.give_back(read);
    first.ok_or_else(|| ImportError::Empty(plan.file.clone()))
}

/// The name of an import whose first line is this one: the same for a file that has grown, and wherever it lies.
fn name_of(format: Format, first: &[u8]) -> String {
    let mut hasher = SipHasher13::new();
    hasher.write(first.trim_ascii_end());
    format!("{}-{:016x}", format.name(), hasher.finish())
}

fn rejects_beside(file: &Path) -> PathBuf {
    if file == Path::new("-") {
        return "import.rejects".into();
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".rejects");
    name.into()
}
