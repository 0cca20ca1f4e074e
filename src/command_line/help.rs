//! The longer texts of the help.

/// Before the usage.
pub const LONG_ABOUT: &str = "\
Counts visits of web and shop pages by country, without ever losing one that it answered.

Started without anything it listens on port 3030 and keeps everything in ./data: a journal, to which each visit \
is written before it is answered, and the counters. With REDIS_URL the counters live in Redis, and several \
gateways can share them; the journal stays, so that visits are kept while Redis is away.";

/// After the short help.
pub const MORE: &str =
    "Everything else is set by file or environment. Examples: --help. All settings: docs/configuration.md";

/// After the long help.
pub const EXAMPLES: &str = "\
Examples:
  footfall
      Listen on port 3030, keep everything in ./data.

  curl -X POST 'localhost:3030/api/v1/stats?countryCode=GB'
  curl localhost:3030/api/v1/stats
      Count a visit from Great Britain; read all totals.

  footfall --port 3030,3000 --data-dir /var/lib/footfall
      Listen on two ports, keep everything elsewhere.

  REDIS_URL=redis://:secret@redis.example:6379 footfall
      Count in Redis.

  footfall site add shop --domain shop.example --time-zone Europe/Berlin --currency EUR
  footfall key add shop --rights write
      Add a site, and a key for it.

  footfall check-config --config /etc/footfall.toml
      See whether a configuration is good before a restart.

A setting comes from, the strongest first: flags, environment, .env, file, default.
In the environment each setting has the name FOOTFALL_<ROOM>_<KEY>, such as
FOOTFALL_EDGE_IDLE_MS for idle_ms under [edge] in the file.
All settings, errors and metrics: docs/configuration.md, docs/errors.md, docs/metrics.md.

SIGTERM or SIGINT: finish what is open, then stop. A second one: stop at once.
Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong.";

/// The long help of a verb.
pub const CHECK_CONFIG: &str = "\
Says whether the configuration is good, and what differs from the defaults.

Reads the same sources as the gateway would and changes nothing. Prints each setting that differs from its default \
with its origin (secrets hidden), or everything that is wrong, and exits with 2.";

/// Before the usage of `generate`.
pub const GENERATE: &str = "\
Makes up the traffic of a shop: people of many countries on their devices, coming by day from search engines, \
advertisements and newsletters, looking at pages and products, filling carts, sometimes paying, coming back.

  footfall generate --events 5 --until 2026-11-01T00:00:00Z
      Write five events of the seven days before, a line each, always the same.

  footfall generate --to http://localhost:3030 --key $KEY --rate 500/s --seconds 60
      Send for a minute, as it happens.

  footfall generate --to http://localhost:3030 --key $KEY --events 1000000 --days 7
      Send a week's events as fast as the gateway takes them, 100 in a request.

The same --seed and the same times make the same bytes. Gateways move events to at most events.late_ms_max (7 days) \
before they are received: what is older can only be imported.

What was not answered is sent again with the same ids, so it counts once. In the end it says what became of all events.

Exit codes: 0 all are kept, 1 some are not or nobody answers, 2 the command line is wrong.";

/// Before the usage of `import`.
pub const IMPORT: &str = "\
Brings what was before to a running gateway, each line once: stop it, kill it, lose the gateway meanwhile, and the same \
command goes on where it ended. A log that has grown since goes on, too.

  footfall import access.log.2.gz access.log.1 access.log --host shop.example --key $KEY
      Count the page views of access logs of nginx or Apache: GET, answered with 2xx or 304, no stylesheets, scripts,
      pictures and the like.

  footfall import events.ndjson --key $KEY
      Events, one a line, as POST /api/v1/events takes them.

  footfall import --redis redis://localhost:6379 --key $KEY
      The totals by country that a visits deployment keeps. Again: what was added since.

The key is one of the site with the rights `manage`, better given as FOOTFALL_IMPORT_KEY. Lines that can be no event \
are written to FILE.rejects, with their numbers and why. docs/import.md says more.

Exit codes: 0 everything was read and taken, 1 it ended early, 2 the command line is wrong.";

/// Before the usage of `rebuild`.
pub const REBUILD: &str = "\
Lets the counters in Redis begin anew from what the gateways have counted, for counters that were damaged, edited by \
hand, or that `verify` finds wrong.

The counters there are renamed to ff:{0}:…:before-<generation>, and kept until you delete them. Gateways that run \
contribute everything they have counted within a second. So does the data directory of this configuration if no gateway \
runs on it. A gateway that is away contributes when it runs again; until then the totals lack its part.

The event store is left as it is: delete the folder `events` of the data directory while no gateway runs to have it \
made anew from the journal.

Exit codes: 0 as many gateways have contributed as had before, 1 some are away, or Redis cannot be asked.";

/// Before the usage of `site`.
pub const SITE: &str = "\
Adds, lists, changes and removes sites: the web properties that events and keys belong to.

They are kept in directory.sqlite in the data directory, or in Redis where REDIS_URL is set, so give the same settings \
as the gateway has. Gateways may run meanwhile; they see a change within directory.refresh_ms.

The site `default` is always there: calls that name no site feed it.

Exit codes: 0 done, 1 failed, 2 something is wrong with what was asked for; nothing was changed.";

/// Before the usage of `site add`.
pub const SITE_ADD: &str = "\
Adds a site and prints its id.

  footfall site add shop --domain shop.example --domain shop.test --time-zone Europe/Berlin --currency EUR

Domains tell to which site a page belongs that sends events without a key. A domain belongs to one site, and stands \
for itself and its www. alone: name each other host too.

--visitors daily (the default) tells visitors apart by a hash whose salt changes every day, so that nothing has to be \
kept in browsers; --visitors stable by the id that clients keep and send. Choose before the first event: numbers of \
the two ways do not add up.";

/// Before the usage of `site remove`.
pub const SITE_REMOVE: &str = "\
Removes a site, so that gateways take no events for it any more.

What was counted and kept for it stays: journal, counters and stored events have its id. `site add --id` with that id \
gives them a site again. A site that has keys is removed only --with-keys, which revokes them.";

/// Before the usage of `key`.
pub const KEY: &str = "\
Adds, lists and revokes keys: what a client shows to send events (write), to ask figures (read), or to ask figures and \
delete events for good (manage), of one site.

Only a digest of a key is kept. A key that was lost cannot be had again: add another, then revoke the lost one.

Exit codes: 0 done, 1 failed, 2 something is wrong with what was asked for; nothing was changed.";

/// Before the usage of `key add`.
pub const KEY_ADD: &str = "\
Adds a key and prints it on standard output, alone, so that a script can take it:

  KEY=$(footfall key add shop --rights write --expires 90d)

This is the only time that it can be seen. A write key for a page is no secret, since every visitor of the page can \
read it; read and manage keys are secrets.";
