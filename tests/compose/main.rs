//! The shipped containers: `compose.yml`, `Dockerfile` and the files they mount agree with each other and with what the
//! gateway understands, and the same files work when they are started without Docker.

#[path = "../support/mod.rs"]
mod support;

mod file;

use std::path::Path;
use std::process::Command;

use file::{Compose, project, read};
use support::gateway::{Gateway, Settings};
use support::nginx::Nginx;
use support::redis::{Engine, RedisServer};

/// The environment that the gateway's container gets, and nothing else.
fn container_environment(compose: &Compose) -> Settings {
    let bare = ["HOST", "FOOTFALL_DURABILITY", "FOOTFALL_LOG_FORMAT", "RATE_LIMIT_MAX"]
        .iter()
        .fold(Settings::new(), |settings, name| settings.unset(name));
    let environment = &compose.service("gateway").environment;
    environment
        .iter()
        .filter(|(name, _)| *name != "FOOTFALL_DATA_DIR")
        .fold(bare, |settings, (name, value)| settings.set(name, value))
}

#[test]
fn the_gateway_understands_every_setting_of_its_container() {
    let checked = container_environment(&Compose::shipped()).run(&["check-config"]);
    assert!(checked.status.success(), "{checked:?}");
    let mistaken = container_environment(&Compose::shipped()).set("FOOTFALL_EDGE_TRUSTED_PROXYS", "10.0.0.1/32");
    assert!(
        !mistaken.run(&["check-config"]).status.success(),
        "a mistaken name passes too"
    );
}

#[test]
fn everything_that_is_mounted_is_there() {
    let compose = Compose::shipped();
    for (name, service) in &compose.services {
        for mount in service.mounts() {
            let source = mount[0];
            match source.strip_prefix("./") {
                Some(path) => {
                    assert!(
                        project().join(path).is_file(),
                        "{name} mounts {source}, which is no file"
                    );
                    assert_eq!(mount[2], "ro", "{name} may write to {source}");
                }
                None => assert!(
                    compose.volumes.contains_key(source),
                    "{name} mounts an unknown volume {source}"
                ),
            }
        }
    }
}

#[test]
fn nothing_is_lost_with_a_container() {
    let compose = Compose::shipped();
    let gateway = compose.service("gateway");
    let data = gateway.environment["FOOTFALL_DATA_DIR"].as_str();
    assert!(gateway.mounts().contains(&vec!["gateway-data", data]));
    assert!(read("Dockerfile").contains(&format!("\nVOLUME {data}\n")));
    assert!(compose.service("redis").mounts().contains(&vec!["redis-data", "/data"]));
    // Longer than the gateway may take to finish what is open.
    let drain = footfall::config::EdgeConfig::default().drain_ms;
    let grace: u64 = gateway
        .stop_grace_period
        .as_deref()
        .unwrap()
        .trim_end_matches('s')
        .parse()
        .unwrap();
    assert!(
        grace * 1_000 > drain,
        "Docker kills after {grace} s, draining may take {drain} ms"
    );
}

#[test]
fn services_start_in_order_and_come_back() {
    let compose = Compose::shipped();
    for (name, service) in &compose.services {
        assert_eq!(service.restart, "unless-stopped", "{name}");
        for (other, dependency) in &service.depends_on {
            assert_eq!(dependency.condition, "service_healthy", "{name} on {other}");
            let checked = compose.service(other).healthcheck.is_some() || compose.service(other).build.is_some();
            assert!(checked, "{name} waits for {other}, which has no health check");
        }
    }
    assert!(read("Dockerfile").contains(r#"CMD ["footfall-healthy"]"#));
}

#[test]
fn only_nginx_is_reached_from_outside_and_it_alone_is_believed() {
    let compose = Compose::shipped();
    let (nginx, gateway) = (compose.service("nginx"), compose.service("gateway"));
    assert_eq!(nginx.ports, ["3030:80"]);
    assert!(gateway.ports.is_empty() && compose.service("redis").ports.is_empty());
    assert!(read("nginx/footfall.conf").contains("listen 80;"));

    let (front, behind) = (nginx.address_on("front").unwrap(), gateway.address_on("front").unwrap());
    let subnet = compose.networks["front"].ipam.as_ref().unwrap().config[0].subnet;
    assert!(subnet.contains(&front) && subnet.contains(&behind));
    assert_eq!(
        gateway.environment["FOOTFALL_EDGE_TRUSTED_PROXIES"],
        format!("{front}/32")
    );
    let upstream = format!("server {behind}:{};", gateway.environment["PORT"]);
    assert!(
        read("compose/gateways.conf").contains(&upstream),
        "nginx does not find {upstream}"
    );

    assert!(compose.networks["back"].internal);
    assert_eq!(compose.service("redis").networks(), ["back"]);
    assert_eq!(gateway.environment["REDIS_URL"], "redis://redis:6379");
}

#[test]
fn containers_have_few_rights() {
    let compose = Compose::shipped();
    for (name, service) in &compose.services {
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
    }
    for name in ["gateway", "redis"] {
        let service = compose.service(name);
        assert!(service.read_only, "{name} may write beside its volume");
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
    }
    assert_eq!(compose.service("redis").user.as_deref(), Some("redis"));
    let dockerfile = read("Dockerfile");
    assert!(dockerfile.contains("\nUSER 10001:10001\n"));
    assert!(dockerfile.contains("\nSTOPSIGNAL SIGTERM\n"));
    assert!(dockerfile.contains("\nEXPOSE 3030 9090\n"));
}

#[test]
fn nginx_and_redis_get_the_shipped_files() {
    let compose = Compose::shipped();
    let nginx = compose.service("nginx");
    for name in ["nginx.conf", "footfall.conf", "gateways.conf"] {
        let inside = format!("/etc/nginx/{name}");
        assert!(
            nginx.mounts().iter().any(|mount| mount[1] == inside),
            "{name} is not mounted"
        );
    }
    assert_eq!(
        nginx.healthcheck.as_ref().unwrap().test.last().unwrap(),
        "http://127.0.0.1/livez"
    );
    let redis = compose.service("redis");
    let configuration = redis.command.as_ref().unwrap().last().unwrap().as_str();
    assert!(
        redis
            .mounts()
            .contains(&vec!["./compose/redis.conf", configuration, "ro"])
    );
    assert!(redis.image.starts_with("redis:7"));
}

/// The shipped Redis configuration, moved to a port of its own.
fn shipped_redis(engine: Engine) -> RedisServer {
    let configuration = project().join("compose/redis.conf");
    let configuration = configuration.to_str().unwrap();
    RedisServer::start_with(
        engine,
        &["--include", configuration, "--port", "{port}", "--bind", "127.0.0.1"],
    )
}

#[test]
fn redis_and_valkey_keep_counters_as_the_gateway_needs_it() {
    for engine in Engine::ALL {
        let server = shipped_redis(engine);
        for (name, value) in [
            ("appendonly", "yes"),
            ("appendfsync", "everysec"),
            ("maxmemory-policy", "noeviction"),
            ("hash-max-listpack-entries", "64"),
            ("save", ""),
        ] {
            let answer = server.cli(&["CONFIG", "GET", name]);
            assert_eq!(answer.lines().nth(1).unwrap_or_default(), value, "{engine:?}: {name}");
        }
    }
}

/// The gateway with its container's environment; only addresses and the data directory are of this machine.
fn start_gateway(redis: &RedisServer) -> Gateway {
    container_environment(&Compose::shipped())
        .set("HOST", "127.0.0.1")
        .set("PORT", 0)
        .set("FOOTFALL_ADMIN_HOST", "127.0.0.1")
        .set("FOOTFALL_ADMIN_PORT", 0)
        .set("FOOTFALL_EDGE_TRUSTED_PROXIES", "127.0.0.1/32")
        .set("REDIS_URL", redis.url())
        .start()
}

fn health_check(port: u16) -> bool {
    let script: &Path = &project().join("compose/healthy.sh");
    let status = Command::new(script).env("PORT", port.to_string()).status().unwrap();
    status.success()
}

#[test]
fn a_visit_goes_through_nginx_and_the_gateway_to_redis() {
    let redis = shipped_redis(Engine::Redis);
    let mut gateway = start_gateway(&redis);
    assert!(
        health_check(gateway.address().port()),
        "the health check fails on a gateway that is ready"
    );

    let nginx = Nginx::start(gateway.address());
    let visit = nginx.client().visit("GB");
    assert_eq!((visit.status, visit.text().as_str()), (201, r#"{"gb":1}"#));
    assert_eq!(visit.header("x-durability"), Some("disk"));
    assert_eq!(nginx.client().get("/api/v1/stats").text(), r#"{"gb":1}"#);

    let port = gateway.address().port();
    gateway.stop();
    assert_eq!(redis.cli(&["HGET", "ff:{0}:visits", "gb"]).trim(), "1");
    assert!(!health_check(port), "the health check passes without a gateway");
}
