//! A real browser: a page of another origin tracks its visitor, and a dashboard shows it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use crate::House;
use crate::support::backend::Backend;
use crate::support::gateway::Settings;

/// What a page has: an id in a cookie, a beacon when it is shown, calls that say where the visitor is, pings.
const PAGE: &str = r#"<!doctype html><title>Shoes</title><pre id="told"></pre><script>
const base = "GATEWAY", told = [];
const kept = document.cookie.match(/yomali_tracker_visitor_id=([^;]+)/);
const visitorId = kept ? kept[1] : crypto.randomUUID();
document.cookie = `yomali_tracker_visitor_id=${visitorId}; max-age=31536000; path=/; samesite=lax`;
const body = (pageUrl) => JSON.stringify({ pageUrl, visitorId, metadata: { referrer: document.referrer } });
const post = async (path, url) => {
  const answer = await fetch(base + path, {
    method: "POST", headers: { "Content-Type": "application/json" }, credentials: "include", body: body(url),
  });
  return answer.json();
};
const stats = async (query) => (await fetch(`${base}/stats?${new URLSearchParams(query)}`, { credentials: "include" })).json();
(async () => {
  // Of a beacon nobody hears what became of it.
  told.push(navigator.sendBeacon(base + "/tracking", new Blob([body(location.href)], { type: "application/json" })));
  let ping = {};
  for (let tries = 0; tries < 20000 && !ping.sessionId; tries += 1) {
    ping = await post("/ping", location.href);
  }
  told.push(ping, await post("/tracking", location.href + "?page=two words"), await post("/tracking", location.href + "two"));
  const day = new Date(); day.setUTCHours(0, 0, 0, 0);
  const dates = { dateRange: "custom", startDate: new Date(day - 86400000).toISOString(), endDate: new Date().toISOString() };
  let figures = {};
  // The page's own time passes as it likes; that of its calls is real.
  for (let tries = 0; tries < 20000 && figures.views !== 2; tries += 1) {
    dates.endDate = new Date().toISOString();
    figures = { views: (await stats(dates)).statsPerDay[0].total_visits };
  }
  told.push(figures, (await stats({ ...dates, url: "no such page" })).statsPerDay[0].total_visits);
})().catch((error) => told.push(String(error))).finally(() => {
  document.getElementById("told").textContent = JSON.stringify(told);
});
</script>"#;

/// Serves the page to whoever comes; ends with the test.
fn serve(listener: TcpListener, gateway: SocketAddr) {
    let page = PAGE.replace("GATEWAY", &format!("http://{gateway}"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let page = page.clone();
            thread::spawn(move || show(stream, &page));
        }
    });
}

fn show(mut stream: TcpStream, page: &str) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close";
    let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len());
}

/// What the page was told, as a browser that nobody knows shows it.
fn browse(url: &str) -> Value {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
        ])
        .args(["--virtual-time-budget=60000", "--timeout=60000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .stdin(Stdio::null())
        .output()
        .expect("chromium is there: tests/setup.sh brings it");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = shown
        .split_once("<pre id=\"told\">")
        .and_then(|(_, rest)| rest.split_once("</pre>"));
    let (told, _) = told.unwrap_or_else(|| panic!("{shown}\n{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(told).unwrap_or_else(|error| panic!("{error}: {shown}"))
}

#[test]
fn a_page_of_another_origin_in_a_real_browser_is_a_session() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let mut stage = Backend::Embedded.stage();
    stage.settings = Settings::new().set("CACHE_TTL", 0).set("ALLOWED_ORIGINS", &page);
    let mut house = House::on(stage);
    serve(listener, house.gateway.address());
    let url = format!("{page}/shoes/");
    let told = browse(&url);
    let session = told[1]["sessionId"].as_u64().unwrap_or_else(|| panic!("{told}"));
    assert_eq!(
        told,
        json!([
            true,
            {"message": "Session updated", "sessionId": session},
            // A space is in no URL.
            {"message": ["pageUrl must be a URL address"], "error": "Bad Request", "statusCode": 400},
            {"message": "Page view added to existing session", "sessionId": session},
            {"views": 2},
            0
        ])
    );
    house.wait_for(2, 1);
    let list = house.get(&format!("/stats/sessions?dateRange=24h&page=1&url={url}"));
    let row = &list["sessions"][0];
    assert_eq!(
        (&list["total"], row["id"].as_u64()),
        (&json!(1), Some(session)),
        "{list}"
    );
    assert!(
        row["browser"].as_str().is_some_and(|name| name.starts_with("Chrome")),
        "{list}"
    );
    assert!(row["userAgent"].as_str().unwrap().contains("Chrome"));
}
