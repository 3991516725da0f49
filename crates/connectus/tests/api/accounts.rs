//! People, keys and tenants: who may change whom, and what ends when.

use connectus::auth::{admin, tenancy::TenantChange};
use connectus_core::access::Role;
use connectus_testkit::both;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{Call, TestApp, organisation::PASSWORD};

fn person(email: &str, role: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "role": role})
}

both! {
    async fn a_person_is_added_changed_and_removed(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let owner = ours.owner();
        let ben = person("Ben@Example.org", "viewer");
        let add = Call::post("/api/v1/users").bearer(owner).json(&ben);
        let added = app.send(add.clone()).await.expect(201);
        let path = added.header("location").to_owned();
        assert_eq!(path, format!("/api/v1/users/{}", added.text_of("id")));
        assert_eq!(added.text_of("email"), "ben@example.org");
        assert!(!added.text.contains("argon2") && !added.text.contains(PASSWORD));
        app.send(add).await.refused(409, "conflict");

        let change = |tag: &str| {
            Call::patch(&path).bearer(owner).header("if-match", tag).json(&json!({"name": "Ben"}))
        };
        app.send(change("\"9\"")).await.refused(412, "precondition_failed");
        let changed = app.send(change(added.header("etag"))).await.expect(200);
        assert_eq!(changed.text_of("name"), "Ben");
        assert_ne!(changed.header("etag"), added.header("etag"));
        app.send(change(added.header("etag"))).await.refused(412, "precondition_failed");

        app.send(Call::delete(&path).bearer(owner)).await.expect(204);
        app.send(Call::get(&path).bearer(owner)).await.refused(404, "not_found");
        let log = app.send(Call::get("/api/v1/audit?limit=3").bearer(owner)).await.json();
        let rows = log["items"].as_array().unwrap().iter();
        let actions: Vec<&str> = rows.filter_map(|row| row["action"].as_str()).collect();
        assert_eq!(actions, ["user.deleted", "user.updated", "user.created"]);
    }

    async fn nobody_gives_or_takes_more_than_they_hold(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let admin = ours.key(Role::Admin);
        let owner = app.person(&ours, "owner@example.org", Role::Owner).await;
        let viewer = app.person(&ours, "viewer@example.org", Role::Viewer).await;
        let path = |id| format!("/api/v1/users/{id}");
        let promote = json!({"role": "owner"});
        let owners_key = json!({"name": "theirs", "role": "owner"});
        let owners_key = Call::post("/api/v1/api-keys").bearer(ours.owner()).json(&owners_key);
        let owners_key = app.send(owners_key).await.expect(201);
        for call in [
            Call::post("/api/v1/users").json(&person("x@example.org", "owner")),
            Call::patch(&path(&viewer.id)).json(&promote),
            Call::patch(&path(&owner.id)).json(&json!({"role": "viewer"})),
            Call::delete(&path(&owner.id)),
            Call::post("/api/v1/api-keys").json(&json!({"name": "k", "role": "owner"})),
            Call::delete(owners_key.header("location")),
        ] {
            app.send(call.bearer(admin)).await.refused(403, "forbidden");
        }
        let by_owner = Call::patch(&path(&viewer.id)).bearer(ours.owner()).json(&promote);
        app.send(by_owner).await.expect(200);
    }

    async fn the_last_owner_stays(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let first = app.person(&ours, "first@example.org", Role::Owner).await;
        let path = format!("/api/v1/users/{}", first.id);
        let own = |call: Call| call.bearer(ours.owner());
        let demote = own(Call::patch(&path)).json(&json!({"role": "admin"}));
        let suspend = own(Call::patch(&path)).json(&json!({"status": "suspended"}));
        let remove = own(Call::delete(&path));
        for call in [&demote, &suspend, &remove] {
            app.send(call.clone()).await.refused(409, "conflict");
        }
        app.person(&ours, "second@example.org", Role::Owner).await;
        app.send(demote).await.expect(200);
    }

    /// Two owners who demote each other at the same moment: one of them stays.
    async fn two_owners_cannot_both_be_last(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let one = app.person(&ours, "one@example.org", Role::Owner).await;
        let other = app.person(&ours, "other@example.org", Role::Owner).await;
        let demote = |id| {
            let path = format!("/api/v1/users/{id}");
            app.send(Call::patch(&path).bearer(ours.owner()).json(&json!({"role": "viewer"})))
        };
        let (first, second) = tokio::join!(demote(&one.id), demote(&other.id));
        let mut codes = [first.status, second.status];
        codes.sort_unstable();
        assert_eq!(codes, [200, 409]);
    }

    async fn a_key_ends_when_revoked_expired_or_orphaned(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let user = app.person(&ours, "ann@example.org", Role::Editor).await;
        let make =
            |body: Value| app.send(Call::post("/api/v1/api-keys").bearer(ours.owner()).json(&body));
        let me = |key: String| app.send(Call::get("/api/v1/auth/me").bearer(&key));
        let later = app.db.sim.env.now().plus_secs(60);
        let plain = make(json!({"name": "a", "role": "owner"})).await.expect(201);
        let short = make(json!({"name": "b", "role": "viewer", "expires_at": later})).await;
        let bound = make(json!({"name": "c", "role": "owner", "user_id": user.id})).await;
        let (plain_key, short_key, bound_key) =
            (plain.text_of("token"), short.text_of("token"), bound.text_of("token"));
        for key in [&plain_key, &short_key] {
            me(key.clone()).await.expect(200);
        }
        // A key for a person never exceeds the person.
        assert_eq!(me(bound_key.clone()).await.text_of("role"), "editor");
        app.db.sim.clock.advance_secs(60);
        me(short_key).await.refused(401, "unauthenticated");
        app.send(Call::delete(plain.header("location")).bearer(ours.owner())).await.expect(204);
        me(plain_key.clone()).await.refused(401, "unauthenticated");
        let path = format!("/api/v1/users/{}", user.id);
        let suspend = Call::patch(&path).bearer(ours.owner()).json(&json!({"status": "suspended"}));
        app.send(suspend).await.expect(200);
        me(bound_key.clone()).await.refused(401, "unauthenticated");
        app.send(Call::delete(&path).bearer(ours.owner())).await.expect(204);
        me(bound_key).await.refused(401, "unauthenticated");
        let listed = app.send(Call::get("/api/v1/api-keys").bearer(ours.owner())).await.expect(200);
        assert!(!listed.text.contains(&plain_key), "a listing shows a secret");
    }

    async fn a_suspended_tenant_is_refused_by_every_credential(db: TestStore) {
        let app = TestApp::with(db, |settings| {
            settings.auth.service_secret = Some(SERVICE.into());
        })
        .await;
        let ours = app.organisation("Ours").await;
        let user = app.person(&ours, "ann@example.org", Role::Owner).await;
        let login = json!({"email": "ann@example.org", "password": PASSWORD});
        let sign_in = Call::post("/api/v1/auth/login").json(&login);
        let tokens = app.send(sign_in.clone()).await.expect(200);
        let cookie = Call::post("/api/v1/auth/login")
            .json(&json!({"email": "ann@example.org", "password": PASSWORD, "keep": "cookie"}));
        let cookie = app.send(cookie).await.expect(200).header("set-cookie").to_owned();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let me = Call::get("/api/v1/auth/me");
        let calls = [
            me.clone().bearer(ours.owner()),
            me.clone().bearer(&tokens.text_of("access_token")),
            me.clone().header("cookie", &cookie),
            me.header("x-service-secret", SERVICE).header("x-user-id", user.id.as_str()),
        ];
        for call in &calls {
            app.send(call.clone()).await.expect(200);
        }
        let suspend = TenantChange { active: Some(false), ..TenantChange::default() };
        admin::update_tenant(&app.db.store, ours.id.as_str(), suspend).await.unwrap();
        for call in calls {
            app.send(call).await.refused(403, "forbidden");
        }
        app.send(sign_in).await.refused(403, "forbidden");
        let refresh = json!({"refresh_token": tokens.text_of("refresh_token")});
        let refresh = Call::post("/api/v1/auth/refresh").json(&refresh);
        app.send(refresh).await.refused(401, "unauthenticated");
    }

    async fn a_partner_service_acts_for_a_person_it_names(db: TestStore) {
        let app = TestApp::with(db, |settings| {
            settings.auth.service_secret = Some(SERVICE.into());
        })
        .await;
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let (ann, ben) = (
            app.person(&ours, "ann@example.org", Role::Editor).await,
            app.person(&theirs, "ben@example.org", Role::Viewer).await,
        );
        let number = |of: &crate::support::Organisation, id: &str, number: i64| {
            let call = Call::patch(&format!("/api/v1/users/{id}")).bearer(of.owner());
            app.send(call.json(&json!({"external_id": number})))
        };
        number(&ours, ann.id.as_str(), 7).await.expect(200);
        let me = async |secret: &str, user: &str| {
            let call = Call::get("/api/v1/auth/me");
            app.send(call.header("x-service-secret", secret).header("x-user-id", user)).await
        };
        for user in ["7", ann.id.as_str()] {
            let answer = me(SERVICE, user).await.expect(200);
            assert_eq!(answer.text_of("tenant"), ours.id.to_string());
            assert_eq!(answer.text_of("role"), "editor");
        }
        for (secret, user) in [
            ("wrong", "7"),
            ("", "7"),
            (SERVICE, "8"),
            (SERVICE, "7 "),
            (SERVICE, "usr_nobody"),
            (SERVICE, "' OR 1=1 --"),
            (&SERVICE[1..], "7"),
        ] {
            me(secret, user).await.refused(401, "unauthenticated");
        }
        // The same number in two tenants means nobody.
        number(&theirs, ben.id.as_str(), 7).await.expect(200);
        me(SERVICE, "7").await.refused(401, "unauthenticated");
    }

    async fn only_the_operators_service_says_what_a_tenant_weighs(db: TestStore) {
        let app = TestApp::with(db, |settings| {
            settings.auth.service_secret = Some(SERVICE.into());
        })
        .await;
        let ours = app.organisation("Ours").await;
        let ann = app.person(&ours, "ann@example.org", Role::Owner).await;
        let change = |body: Value| Call::patch("/api/v1/tenant").json(&body);
        let served = |body: Value| {
            let call = change(body).header("x-service-secret", SERVICE);
            app.send(call.header("x-user-id", ann.id.as_str()))
        };
        let own = change(json!({"weight": 5})).bearer(ours.owner());
        app.send(own).await.refused(403, "forbidden");
        let weight = async || {
            let tenant = Call::get("/api/v1/tenant").bearer(ours.owner());
            app.send(tenant).await.expect(200).json()["weight"].clone()
        };
        assert_eq!(weight().await, 1);
        for wrong in [0, 101] {
            served(json!({"weight": wrong})).await.refused(422, "invalid");
        }
        assert_eq!(served(json!({"weight": 5})).await.expect(200).json()["weight"], 5);
        assert_eq!(weight().await, 5);
        // What others change leaves it.
        let renamed = change(json!({"name": "Ours, too"})).bearer(ours.owner());
        assert_eq!(app.send(renamed).await.expect(200).json()["weight"], 5);
        let audit = Call::get("/api/v1/audit").bearer(ours.owner());
        let audit = app.send(audit).await.expect(200);
        assert!(audit.text.contains("\"weight\":5"), "{}", audit.text);
    }

    async fn without_a_configured_secret_no_service_is_believed(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let ann = app.person(&ours, "ann@example.org", Role::Owner).await;
        for secret in ["", "x", "undefined"] {
            let call = Call::get("/api/v1/auth/me").header("x-service-secret", secret);
            let answer = app.send(call.header("x-user-id", ann.id.as_str())).await;
            answer.refused(401, "unauthenticated");
        }
    }

    async fn the_first_owner_sets_up_once(db: TestStore) {
        let app = TestApp::start(db).await;
        let stale = app.app.auth.setup_token().await.unwrap().unwrap();
        let token = app.app.auth.setup_token().await.unwrap().unwrap();
        let with = |token: &str, password: &str| {
            app.send(Call::post("/api/v1/auth/setup").json(&json!({
                "token": token,
                "tenant_name": "Example Ltd",
                "email": "ann@example.org",
                "password": password,
            })))
        };
        with(&stale, PASSWORD).await.refused(401, "unauthenticated");
        with("forged", PASSWORD).await.refused(401, "unauthenticated");
        // A mistake does not use the link up.
        with(&token, "short").await.refused(422, "invalid");
        let (one, other) = tokio::join!(with(&token, PASSWORD), with(&token, PASSWORD));
        let done = if one.status == 201 { &one } else { &other };
        let mut codes = [one.status, other.status];
        codes.sort_unstable();
        assert_eq!(codes, [201, 401], "{} {}", one.text, other.text);
        let access = done.text_of("access_token");
        let me = app.send(Call::get("/api/v1/auth/me").bearer(&access)).await.expect(200);
        assert_eq!(me.text_of("role"), "owner");
        with(&token, PASSWORD).await.refused(401, "unauthenticated");
        assert_eq!(app.app.auth.setup_token().await.unwrap(), None);
    }

    async fn the_set_up_link_expires(db: TestStore) {
        let app = TestApp::start(db).await;
        let token = app.app.auth.setup_token().await.unwrap().unwrap();
        app.db.sim.clock.advance_secs(24 * 3600);
        let body = json!({
            "token": token, "tenant_name": "X", "email": "a@b.c", "password": PASSWORD,
        });
        let answer = app.send(Call::post("/api/v1/auth/setup").json(&body)).await;
        answer.refused(401, "unauthenticated");
    }

    async fn a_tenant_changes_its_name_but_not_its_plan(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let own = |call: Call| call.bearer(ours.owner());
        let before = app.send(own(Call::get("/api/v1/tenant"))).await.expect(200);
        let change = |tag: &str, body: Value| {
            app.send(own(Call::patch("/api/v1/tenant")).header("if-match", tag).json(&body))
        };
        let name = json!({"name": "Renamed", "timezone": "Europe/Paris"});
        let after = change(before.header("etag"), name.clone()).await.expect(200);
        assert_eq!(after.text_of("name"), "Renamed");
        change(before.header("etag"), name).await.refused(412, "precondition_failed");
        change("*", json!({"timezone": "Mars/Olympus"})).await.refused(422, "invalid");
        change("*", json!({"plan": "enterprise"})).await.refused(422, "invalid");
    }

    async fn the_audit_log_verifies_and_names_the_request(db: TestStore) {
        let app = TestApp::start(db).await;
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let body = json!({"name": "nightly", "role": "viewer"});
        let make = Call::post("/api/v1/api-keys").bearer(ours.owner()).json(&body);
        app.send(make.header("x-request-id", "audited-request")).await.expect(201);
        let list = |query: &str| {
            app.send(Call::get(&format!("/api/v1/audit{query}")).bearer(ours.key(Role::Admin)))
        };
        let newest = list("?limit=1").await.expect(200).json();
        let row = &newest["items"][0];
        assert_eq!(row["action"], "api_key.created");
        assert_eq!(row["detail"]["request_id"], "audited-request");
        assert!(row["actor"].as_str().unwrap().starts_with("api_key:key_"));
        assert_eq!(list("?action=tenant.created").await.json()["total_count"], 1);
        assert_eq!(list("?until=2000-01-01").await.json()["total_count"], 0);
        list("?from=yesterday").await.refused(400, "bad_request");
        for of in [&ours, &theirs] {
            let verify = Call::get("/api/v1/audit/verify").bearer(of.owner());
            let verdict = app.send(verify).await.expect(200).json();
            assert_eq!(verdict["intact"], true, "{verdict}");
            assert!(verdict["records"].as_u64().unwrap() >= 6);
        }
    }

    async fn the_operator_works_without_a_server(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let store = &app.db.store;
        let ann = app.person(&ours, "ann@example.org", Role::Editor).await;
        let (_, key): (_, SecretString) =
            admin::create_token(store, "Ours", Role::Owner, Some("ann@example.org"), "script")
                .await
                .unwrap();
        let key = secrecy::ExposeSecret::expose_secret(&key).to_owned();
        let me = app.send(Call::get("/api/v1/auth/me").bearer(&key)).await.expect(200);
        assert_eq!((me.text_of("id"), me.text_of("role")), (ann.id.to_string(), "editor".into()));
        app.organisation("Ours").await;
        assert!(admin::operator(store, "Ours").await.is_err(), "an ambiguous name was taken");
        assert!(admin::operator(store, "Nobody").await.is_err());
    }
}

const SERVICE: &str = "a service secret of 32 bytes or more";
