//! Signing in, staying signed in, signing out.

use connectus_core::access::Role;
use connectus_testkit::{TestStore, both};
use serde_json::json;

use crate::support::{Answer, Call, Organisation, TestApp, organisation::PASSWORD};

async fn signed_up(db: TestStore) -> (TestApp, Organisation) {
    let app = TestApp::start(db).await;
    let ours = app.organisation("Ours").await;
    app.person(&ours, "ann@example.org", Role::Owner).await;
    (app, ours)
}

async fn login(app: &TestApp, keep: &str) -> Answer {
    let body = json!({"email": "Ann@example.org ", "password": PASSWORD, "keep": keep});
    app.send(Call::post("/auth/login").json(&body)).await.expect(200)
}

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

async fn me(app: &TestApp, token: &str) -> Answer {
    app.send(Call::get("/api/v1/auth/me").bearer(token)).await
}

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.send(Call::post("/auth/refresh/").json(&json!({"refresh_token": token}))).await
}

both! {
    async fn an_access_token_is_good_for_ten_minutes(db: TestStore) {
        let (app, ours) = signed_up(db).await;
        let tokens = login(&app, "tokens").await;
        let access = tokens.text_of("access_token");
        let answer = me(&app, &access).await.expect(200);
        assert_eq!(answer.text_of("tenant"), ours.id.to_string());
        assert_eq!(answer.text_of("via"), "token");
        app.db.sim.clock.advance_secs(599);
        me(&app, &access).await.expect(200);
        app.db.sim.clock.advance_secs(1);
        me(&app, &access).await.refused(401, "unauthenticated");
    }

    async fn a_refresh_token_is_good_once(db: TestStore) {
        let (app, ours) = signed_up(db).await;
        let first = login(&app, "tokens").await;
        let second = refresh(&app, &first.text_of("refresh_token")).await.expect(200);
        let third = refresh(&app, &second.text_of("refresh_token")).await.expect(200);
        me(&app, &third.text_of("access_token")).await.expect(200);
        let other = login(&app, "tokens").await;

        // The first comes back: someone copied it. Everything that descends from it ends.
        refresh(&app, &first.text_of("refresh_token")).await.refused(401, "unauthenticated");
        refresh(&app, &third.text_of("refresh_token")).await.refused(401, "unauthenticated");
        me(&app, &third.text_of("access_token")).await.refused(401, "unauthenticated");
        // Another sign-in of the same person is not touched.
        me(&app, &other.text_of("access_token")).await.expect(200);
        let query = "/api/v1/audit?action=user.token_reused";
        let log = app.send(Call::get(query).bearer(ours.owner())).await;
        assert_eq!(log.json()["total_count"], 1);
    }

    /// However many use one token at the same moment, one gets the next pair - and, since the
    /// others look like thieves, not even that one lasts.
    async fn concurrent_refreshes_have_one_winner(db: TestStore) {
        let (app, _) = signed_up(db).await;
        let token = login(&app, "tokens").await.text_of("refresh_token");
        let tries = futures::future::join_all((0..10).map(|_| refresh(&app, &token))).await;
        let won: Vec<&Answer> = tries.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1);
        me(&app, &won[0].text_of("access_token")).await.refused(401, "unauthenticated");
    }

    async fn refresh_tokens_expire(db: TestStore) {
        let (app, _) = signed_up(db).await;
        let token = login(&app, "tokens").await.text_of("refresh_token");
        app.db.sim.clock.advance_secs(30 * 24 * 3600);
        refresh(&app, &token).await.refused(401, "unauthenticated");
        refresh(&app, "cnr_forged").await.refused(401, "unauthenticated");
        refresh(&app, "").await.refused(401, "unauthenticated");
    }

    async fn signing_out_ends_the_chain(db: TestStore) {
        let (app, _) = signed_up(db).await;
        let tokens = login(&app, "tokens").await;
        let access = tokens.text_of("access_token");
        app.send(Call::post("/api/v1/auth/logout").bearer(&access)).await.expect(204);
        me(&app, &access).await.refused(401, "unauthenticated");
        refresh(&app, &tokens.text_of("refresh_token")).await.refused(401, "unauthenticated");
    }

    async fn the_cookie_is_closed_to_scripts_and_other_sites(db: TestStore) {
        let (app, _) = signed_up(db).await;
        let answer = login(&app, "cookie").await;
        let header = answer.header("set-cookie");
        for part in ["connectus_session=", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
            assert!(header.contains(part), "{header}");
        }
        assert!(!header.contains("Secure"), "plain http must still work on one machine");
        assert!(answer.json()["access_token"].is_null());
    }

    async fn with_https_the_cookie_never_leaves_it(db: TestStore) {
        let app = TestApp::with(db, |settings| {
            settings.server.public_url = Some("https://connectus.example".parse().unwrap());
        })
        .await;
        let ours = app.organisation("Ours").await;
        app.person(&ours, "ann@example.org", Role::Owner).await;
        let answer = login(&app, "cookie").await;
        assert!(answer.header("set-cookie").starts_with("__Host-connectus_session="));
        assert!(answer.header("set-cookie").ends_with("; Secure"));
        let with =
            |cookie: String| app.send(Call::get("/api/v1/auth/me").header("cookie", &cookie));
        with(cookie(&answer)).await.expect(200);
        with(cookie(&answer).replace("__Host-", "")).await.refused(401, "unauthenticated");
    }

    async fn a_cookie_alone_changes_nothing(db: TestStore) {
        let (app, _) = signed_up(db).await;
        let answer = login(&app, "cookie").await;
        let (cookie, csrf) = (cookie(&answer), answer.text_of("csrf_token"));
        let other = login(&app, "cookie").await.text_of("csrf_token");
        let change = |headers: &[(&str, &str)]| {
            let call = Call::patch("/api/v1/tenant").header("cookie", &cookie);
            let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
            app.send(call.header("host", "connectus.test").json(&json!({"name": "New"})))
        };
        for headers in [
            &[][..],
            &[("x-csrf-token", "")],
            &[("x-csrf-token", "forged")],
            &[("x-csrf-token", &other)],
            &[("x-csrf-token", &csrf), ("origin", "https://evil.example")],
            &[("x-csrf-token", &csrf), ("origin", "null")],
            &[("x-csrf-token", &csrf), ("sec-fetch-site", "cross-site")],
        ] {
            change(headers).await.refused(403, "csrf_failed");
        }
        change(&[("x-csrf-token", &csrf)]).await.expect(200);
        change(&[("x-csrf-token", &csrf), ("origin", "http://connectus.test")]).await.expect(200);
        // A page that was reloaded asks again.
        let me = app.send(Call::get("/api/v1/auth/me").header("cookie", &cookie)).await.expect(200);
        assert_eq!(me.text_of("csrf_token"), csrf);
    }

    async fn logins_end_when_idle_old_or_signed_out(db: TestStore) {
        let (app, _) = signed_up(db).await;
        let with = |cookie: &str| app.send(Call::get("/api/v1/auth/me").header("cookie", cookie));
        let answer = login(&app, "cookie").await;
        let (first, csrf) = (cookie(&answer), answer.text_of("csrf_token"));
        // Used now and then, it lasts a week to the second.
        for _ in 0..14 {
            app.db.sim.clock.advance_secs(12 * 3600 - 1);
            with(&first).await.expect(200);
        }
        app.db.sim.clock.advance_secs(14);
        with(&first).await.refused(401, "unauthenticated");

        let idle = cookie(&login(&app, "cookie").await);
        app.db.sim.clock.advance_secs(12 * 3600);
        with(&idle).await.refused(401, "unauthenticated");

        let answer = login(&app, "cookie").await;
        let (out, own_csrf) = (cookie(&answer), answer.text_of("csrf_token"));
        let sign_out = Call::post("/auth/logout").header("cookie", &out);
        app.send(sign_out.clone().header("x-csrf-token", &csrf)).await.refused(403, "csrf_failed");
        let answer = app.send(sign_out.header("x-csrf-token", &own_csrf)).await.expect(204);
        assert!(answer.header("set-cookie").contains("Max-Age=0"));
        with(&out).await.refused(401, "unauthenticated");
    }

    async fn two_credentials_are_one_too_many(db: TestStore) {
        let (app, ours) = signed_up(db).await;
        let theirs = app.organisation("Theirs").await;
        let cookie = cookie(&login(&app, "cookie").await);
        let get = || Call::get("/api/v1/auth/me");
        for call in [
            get().header("cookie", &cookie).bearer(theirs.owner()),
            get().header("cookie", &cookie).bearer(ours.owner()),
            get().bearer(ours.owner()).bearer(theirs.owner()),
            get().bearer(ours.owner()).header("x-tenant-id", theirs.id.as_str()),
            get().bearer(ours.owner()).header("x-tenant-id", ours.id.as_str()),
            get().header("cookie", &cookie).header("cookie", &cookie),
        ] {
            app.send(call).await.refused(400, "bad_request");
        }
    }

    async fn a_new_password_ends_every_session(db: TestStore) {
        let (app, _) = signed_up(db).await;
        let tokens = login(&app, "tokens").await;
        let console = cookie(&login(&app, "cookie").await);
        let access = tokens.text_of("access_token");
        let change = |current: &str, new: &str| {
            let body = json!({"current_password": current, "new_password": new});
            app.send(Call::post("/api/v1/auth/password").bearer(&access).json(&body))
        };
        change("not the password", "another password").await.refused(422, "invalid");
        change(PASSWORD, "short").await.refused(422, "invalid");
        me(&app, &access).await.expect(200);
        change(PASSWORD, "another password").await.expect(204);
        me(&app, &access).await.refused(401, "unauthenticated");
        refresh(&app, &tokens.text_of("refresh_token")).await.refused(401, "unauthenticated");
        let old = app.send(Call::get("/api/v1/auth/me").header("cookie", &console)).await;
        old.refused(401, "unauthenticated");
        for (password, status) in [(PASSWORD, 401), ("another password", 200)] {
            let body = json!({"email": "ann@example.org", "password": password});
            app.send(Call::post("/auth/login").json(&body)).await.expect(status);
        }
    }

    async fn an_api_key_cannot_change_a_password(db: TestStore) {
        let (app, ours) = signed_up(db).await;
        let body = json!({"current_password": PASSWORD, "new_password": "another password"});
        let call = Call::post("/api/v1/auth/password").bearer(ours.owner()).json(&body);
        app.send(call).await.refused(403, "forbidden");
    }
}
