//! The process as seen from outside: health, figures, pages.

use connectus::{config::Settings, telemetry::metrics};
use connectus_core::{Code, access::Role};
use connectus_testkit::both;

use crate::support::{Call, TestApp};

both! {
    async fn pages_are_html_that_loads_nothing(db: TestStore) {
        let app = TestApp::start(db).await;
        let pages = ["/", "/docs", "/docs/", "/docs/errors/invalid", "/setup?token=x"];
        for path in pages {
            let page = app.send(Call::get(path)).await.expect(200);
            assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
            let policy = page.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; style-src 'sha256-"),
                "{path}: {policy}"
            );
            let has_form = path.starts_with("/setup");
            assert_eq!(policy.contains("form-action 'self'"), has_form, "{path}");
            for loads in ["<script", "<img", "<link", "<iframe", "src=", "url("] {
                assert!(!page.text.contains(loads), "{path} has {loads}");
            }
            assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        }
    }

    async fn every_problem_leads_to_its_page(db: TestStore) {
        let app = TestApp::start(db).await;
        for code in Code::ALL {
            let call = Call::get(&format!("/docs/errors/{}", code.name()));
            let page = app.send(call).await.expect(200);
            assert!(page.text.contains(code.name()));
        }
        app.send(Call::get("/docs/errors/nothing")).await.refused(404, "not_found");
        let problem = app.send(Call::get("/api/v1/runs")).await.refused(401, "unauthenticated");
        app.send(Call::get(&problem.text_of("type"))).await.expect(200);
    }

    async fn readiness_says_what_is_wrong(db: TestStore) {
        let app = TestApp::start(db).await;
        let ready = app.send(Call::get("/health/ready")).await.expect(200).json();
        assert_eq!(ready["status"], "ready");
        let checks = ready["checks"].as_array().unwrap();
        let names: Vec<_> = checks.iter().map(|check| &check["name"]).collect();
        assert_eq!(names, ["process", "database"]);
        // Within a second nobody looks again.
        app.db.store.close().await;
        app.send(Call::get("/health/ready")).await.expect(200);
        app.db.sim.clock.advance_secs(1);
        let problem = app.send(Call::get("/health/ready")).await.refused(503, "unavailable");
        assert!(problem.text_of("detail").contains("database"), "{}", problem.text);
        assert!(!problem.header("retry-after").is_empty());
        // Alive is not ready.
        app.send(Call::get("/health")).await.expect(200);
    }

    async fn a_process_that_stops_is_not_ready_at_once(db: TestStore) {
        let app = TestApp::start(db).await;
        app.send(Call::get("/health/ready")).await.expect(200);
        app.app.stopping.cancel();
        let problem = app.send(Call::get("/health/ready")).await.refused(503, "unavailable");
        assert!(problem.text_of("detail").contains("stopping"), "{}", problem.text);
    }

    async fn figures_count_operations_and_name_nobody(db: TestStore) {
        metrics::init().unwrap();
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        app.send(Call::get("/health/")).await.expect(200);
        let viewer = |path: &str| Call::get(path).bearer(ours.key(Role::Viewer));
        app.send(viewer("/api/v1/providers")).await.expect(200);
        app.send(viewer("/api/v1/users")).await.refused(403, "forbidden");
        let figures = app.send(Call::get("/metrics")).await.expect(200);
        assert!(figures.header("content-type").starts_with("text/plain; version=0.0.4"));
        for line in [
            "connectus_http_requests_total{operation=\"system.health\",status=\"200\"}",
            "connectus_http_requests_total{operation=\"providers.list\",status=\"200\"}",
            "connectus_http_requests_total{operation=\"users.list\",status=\"403\"}",
            "connectus_http_request_seconds_bucket{operation=\"providers.list\",le=\"0.1\"}",
            "connectus_build_info{version=",
            "connectus_runs_busy 0",
            "# HELP connectus_http_requests_total",
        ] {
            assert!(figures.text.contains(line), "{line} is not in {}", figures.text);
        }
        assert!(!figures.text.contains(ours.ctx.tenant().as_str()), "a tenant is named");
    }

    async fn figures_with_an_address_of_their_own_are_not_beside_the_api(db: TestStore) {
        let address = "127.0.0.1:9360".parse().unwrap();
        let apart = |settings: &mut Settings| settings.server.metrics_listen = Some(address);
        let app = TestApp::with(db, apart).await;
        app.send(Call::get("/metrics")).await.refused(404, "not_found");
    }

    async fn the_set_up_link_makes_the_first_owner_once(db: TestStore) {
        let app = TestApp::start(db).await;
        let token = app.app.auth.setup_token().await.unwrap().unwrap();
        let page = app.send(Call::get(&format!("/setup?token={token}"))).await.expect(200);
        assert!(page.text.contains(&format!("value=\"{token}\"")));
        let send = async |password: &str| {
            let form = format!(
                "token={token}&tenant_name=Acme+%3Cb%3E&email=ann%40example.org&password={password}"
            );
            let kind = "application/x-www-form-urlencoded";
            app.send(Call::post("/setup").raw(kind, form.as_bytes())).await
        };
        let again = send("short").await.expect(422);
        assert!(again.text.contains("role=\"alert\"") && again.text.contains("Acme &lt;b&gt;"));
        assert!(!again.text.contains("short"), "the password comes back");
        let done = send("correct+horse+battery").await.expect(200);
        let key = done.text.split("cnx_").nth(1).unwrap().split('<').next().unwrap();
        let me = Call::get("/api/v1/providers").bearer(&format!("cnx_{key}"));
        app.send(me).await.expect(200);
        send("correct+horse+battery").await.expect(401);
    }
}
