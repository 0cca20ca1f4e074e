#!/usr/bin/env python3
"""Makes the lists anew from what their keepers publish; README.md says where each comes from.

    python3 lists/update.py uap-core/ searchengine-and-social-list/ crawler-user-agents/

Each argument is a folder with the unpacked package or a checkout. Needs PyYAML.
"""

import json
import pathlib
import re
import sys

import yaml

HERE = pathlib.Path(__file__).parent
INSTANCES = HERE.parent / "tests/fixtures/lists/crawlers.tsv"

# A build of Android that millions of phones have, taken for a crawler since one names it.
NO_CRAWLERS = {r"AP3A\.240617\.008"}
# Kinds of crawlers; of several the first that stands here counts.
KINDS = {
    "ai-crawler": "ai-crawler",
    "browser-automation": "headless",
    "search-engine": "search-engine",
    "social-preview": "preview",
    "seo": "seo",
    "advertising": "advertising",
    "monitoring": "monitoring",
    "feed-reader": "feed-reader",
    "archiver": "archiver",
    "scanner": "scanner",
    "academic": "academic",
    "http-library": "http-library",
}
# Listed as engines since they name a search's words, and mostly something else.
NO_ENGINES = {"Facebook", "MySpace", "FriendFeed", "ChatGPT", "Perplexity", "You", "Digg", "Mister Wong"}
NO_ENGINE_HOSTS = {"www.cnn.com"}
NAMES = {
    "Google%2B": "Google+",
    "Vkontakte": "VK",
    "Twitter": "X",
    "reddit": "Reddit",
    "tumblr": "Tumblr",
    "StackOverflow": "Stack Overflow",
}


def user_agents(folder):
    rules = yaml.safe_load((folder / "regexes.yaml").read_text())
    # What a device is called is not asked; it would be most of the rules.
    kept = {"user_agent_parsers": rules["user_agent_parsers"], "os_parsers": rules["os_parsers"], "device_parsers": []}
    write("user-agents.json", json.dumps(kept, ensure_ascii=False, indent=0) + "\n")


def literal(pattern):
    """The text that a pattern stands for, if it is one."""
    if re.search(r"[\^$*+?()\[\]{}|.]|\\[A-Za-z]", re.sub(r"\\[^A-Za-z0-9]", "", pattern)):
        return None
    return re.sub(r"\\([^A-Za-z0-9])", r"\1", pattern)


def name_of(pattern):
    """A readable name of a pattern that is no text."""
    name = re.sub(r"\\([^A-Za-z0-9])", r"\1", pattern)
    # Where it may go on in any way, or in several, it has said what it is called.
    name = re.split(r"\[\\s|\(\[\^|\\d|\|(?![^(]*\))", name)[0]
    name = re.sub(r"\(\^\| \)|^\^|\$$", "", name)
    name = re.sub(r"\((\w+)\|[^)]*\)", r"\1", name)
    return re.sub(r"\[(.)[^\]]*\]", r"\1", name)


def crawlers(folder):
    listed = json.loads((folder / "crawler-user-agents.json").read_text())
    lines, instances = ["# t: text, r: regular expression; kind; name; what is looked for\n"], []
    for crawler in listed:
        pattern = crawler["pattern"]
        if pattern in NO_CRAWLERS:
            continue
        kind = next(KINDS[tag] for tag in KINDS if tag in crawler["tags"])
        text = literal(pattern)
        name = " ".join((text if text else name_of(pattern)).strip("/ ;-").split())
        lines.append("\t".join(["t" if text else "r", kind, name, text or pattern]) + "\n")
        instances += [f"{kind}:{name}\t{agent.strip()}\n" for agent in crawler.get("instances", []) if agent.strip()]
    write("crawlers.tsv", "".join(lines))
    INSTANCES.parent.mkdir(parents=True, exist_ok=True)
    INSTANCES.write_text("# the rule; a user agent that it was made for\n" + "".join(instances))


def referrers(folder):
    load = lambda name: yaml.safe_load((folder / name).read_text())
    rows = []
    for name, hosts in load("AIAssistants.yml").items():
        rows.append((name, "ai", hosts))
    for name, hosts in load("Socials.yml").items():
        rows.append((NAMES.get(name, name), "social", hosts))
    for name, configurations in load("SearchEngines.yml").items():
        if name not in NO_ENGINES:
            hosts = [host for one in configurations for host in one["urls"] if host not in NO_ENGINE_HOSTS]
            rows.append((name, "search", hosts))
    lines = ["# name\tgroup\thosts\n"]
    for name, group, hosts in rows:
        # A path ends where another label may begin; the scheme of an app is no part of its name.
        hosts = [host.strip().rstrip("/").removeprefix("www.") for host in hosts if "//" not in host]
        lines.append(f"{name}\t{group}\t{' '.join(dict.fromkeys(hosts))}\n")
    write("referrers.tsv", "".join(lines))


def write(name, text):
    (HERE / name).write_text(text)
    print(name, len(text), "bytes")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    for make, folder in zip([user_agents, referrers, crawlers], sys.argv[1:]):
        make(pathlib.Path(folder))
