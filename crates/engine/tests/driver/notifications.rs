//! People are told of what went wrong: once, however often a process dies, and not too often.

use connectus_connect::Mailer;
use connectus_core::{
    Code, Page,
    event::EventType,
    notification::{Channel, Notification, NotificationRule, NotificationStatus, Severity},
};
use connectus_engine::notifications::rules::{self, NewRule, RuleChange};
use connectus_store::notifications::NotificationFilter;
use connectus_testkit::{TestStore, both};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    smtp::{Act, Post},
    support::{Rig, fakes},
};

/// An engine that may send letters to a post office.
async fn with_post(
    db: &TestStore,
    script: impl Fn(usize) -> Act + Send + Sync + 'static,
) -> (Rig, Post) {
    let post = Post::open(script).await;
    let ctx = db.tenant("Digi Sol").await.unwrap();
    (on(db, ctx, &post), post)
}

fn on(db: &TestStore, ctx: connectus_core::TenantCtx, post: &Post) -> Rig {
    let mut rig = Rig::again(db, ctx);
    let url = SecretString::from(post.url());
    rig.parts.mailer = Mailer::new(Some(&url), "connectus@example.org", 100).unwrap();
    rig.engine = connectus_engine::Engine::new(rig.parts.clone());
    rig
}

fn failures(channel: Channel, throttle_secs: u32) -> NewRule {
    NewRule {
        name: "On call".to_owned(),
        events: vec!["*".to_owned()],
        severity: Severity::Error,
        subjects: Vec::new(),
        channel,
        throttle_secs,
    }
}

fn email() -> Channel {
    Channel::Email { to: vec!["ann@example.org".to_owned(), "bob@example.org".to_owned()] }
}

async fn rule(rig: &Rig, new: NewRule) -> NotificationRule {
    rules::create(&rig.parts, &rig.ctx, new).await.unwrap()
}

async fn fail(rig: &Rig, times: usize) {
    let ctx = rig.ctx.clone();
    let emit = rig.parts.store.write(move |tx| {
        Box::pin(async move {
            for n in 0..times {
                let data = json!({"subject_id": "wf_1", "error": {"message": "no room"}});
                tx.emit(&ctx, EventType::RunFailed, format!("run_{n}"), data).await?;
                tx.emit(&ctx, EventType::RunCompleted, "run_x", Value::Null).await?;
            }
            Ok(())
        })
    });
    emit.await.unwrap();
}

async fn told(rig: &Rig) -> Vec<Notification> {
    let filter = NotificationFilter::default();
    let mut conn = rig.parts.store.read().await.unwrap();
    let mut found = conn.notifications(&rig.ctx, &filter, Page::default()).await.unwrap().items;
    found.reverse();
    found
}

/// Lets handlers look at events, lets time pass, and lets people be told.
async fn pass(db: &TestStore, rig: &Rig, secs: i64) {
    rig.engine.handle_events().await.unwrap();
    db.sim.clock.advance_secs(secs);
    rig.engine.notify_until_idle().await.unwrap();
}

async fn events(rig: &Rig, kind: EventType) -> Vec<Value> {
    let mut conn = rig.parts.store.read().await.unwrap();
    let all = conn.events_after(&rig.ctx, 0, 10_000).await.unwrap();
    all.into_iter().filter(|event| event.kind == kind).map(|event| event.data.value()).collect()
}

both! {
    async fn a_storm_is_one_letter_with_a_count(db: TestStore) {
        let (rig, post) = with_post(&db, |_| Act::Take).await;
        // Before anyone asked.
        fail(&rig, 3).await;
        rule(&rig, failures(email(), 600)).await;
        fail(&rig, 400).await;
        pass(&db, &rig, 4).await;
        assert!(post.letters().is_empty(), "it still gathers");
        fail(&rig, 100).await;
        pass(&db, &rig, 1).await;
        let [letter] = post.letters().try_into().unwrap();
        assert_eq!(letter.to, ["ann@example.org", "bob@example.org"]);
        assert_eq!(letter.header("Subject"), Some("[Connectus] On call: 500 x run.failed"));
        assert!(letter.text.contains("run_0: no room"), "{}", letter.text);
        assert!(letter.text.contains("... and 495 more."), "{}", letter.text);

        // The next one comes when it may, and tells of everything in between.
        for _ in 0..5 {
            fail(&rig, 10).await;
            pass(&db, &rig, 100).await;
        }
        assert_eq!(post.letters().len(), 1);
        pass(&db, &rig, 100).await;
        assert_eq!(post.letters().len(), 2);
        let counts: Vec<u64> = told(&rig).await.iter().map(|one| one.count).collect();
        assert_eq!(counts, [500, 50]);
        pass(&db, &rig, 10_000).await;
        assert_eq!(post.letters().len(), 2);
    }

    async fn what_a_dead_process_was_sending_is_sent_again_as_the_same_letter(db: TestStore) {
        let (rig, post) = with_post(&db, |n| if n == 0 { Act::Vanish } else { Act::Take }).await;
        rule(&rig, failures(email(), 0)).await;
        fail(&rig, 1).await;
        rig.engine.handle_events().await.unwrap();
        // The process dies between the event and the letter: another one goes on.
        drop(rig.engine);
        let next = on(&db, rig.ctx.clone(), &post);
        pass(&db, &next, 5).await;
        let [waiting] = told(&next).await.try_into().unwrap();
        assert_eq!((waiting.status, waiting.attempts), (NotificationStatus::Pending, 1));
        pass(&db, &next, 10).await;
        let [sent] = told(&next).await.try_into().unwrap();
        assert_eq!((sent.status, sent.attempts), (NotificationStatus::Sent, 2));
        let letters = post.letters();
        assert_eq!(letters.len(), 2);
        assert_eq!(letters[0].header("Message-ID"), letters[1].header("Message-ID"));
        pass(&db, &next, 100_000).await;
        assert_eq!(post.letters().len(), 2);
    }

    async fn an_attempt_whose_process_died_is_made_again_when_its_lease_ends(db: TestStore) {
        let (rig, post) = with_post(&db, |_| Act::Take).await;
        rule(&rig, failures(email(), 0)).await;
        fail(&rig, 1).await;
        rig.engine.handle_events().await.unwrap();
        db.sim.clock.advance_secs(5);
        let (ctx, lease) = (rig.ctx.clone(), db.sim.env.now().plus_secs(120));
        let id = told(&rig).await[0].id.clone();
        let claim = rig.parts.store.write(move |tx| {
            Box::pin(async move { tx.claim_notification(&ctx, &id, lease).await })
        });
        assert!(claim.await.unwrap().is_some());
        pass(&db, &rig, 119).await;
        assert!(post.letters().is_empty());
        // What happens meanwhile is for the next one.
        fail(&rig, 1).await;
        pass(&db, &rig, 1).await;
        pass(&db, &rig, 5).await;
        assert_eq!(post.letters().len(), 2);
        let counts: Vec<u64> = told(&rig).await.iter().map(|one| one.count).collect();
        assert_eq!(counts, [1, 1]);
    }

    async fn who_cannot_be_told_is_given_up_and_that_is_an_event(db: TestStore) {
        let (rig, post) = with_post(&db, |_| Act::Say("451 later")).await;
        let rule = rule(&rig, failures(email(), 0)).await;
        fail(&rig, 1).await;
        for _ in 0..8 {
            pass(&db, &rig, 6 * 3600).await;
        }
        assert_eq!(post.letters().len(), 7);
        let [given_up] = told(&rig).await.try_into().unwrap();
        assert_eq!(given_up.status, NotificationStatus::Failed);
        assert!(given_up.problem.unwrap().contains("451"));
        let [failed] = events(&rig, EventType::NotificationFailed).await.try_into().unwrap();
        assert_eq!((&failed["channel"], &failed["name"]), (&json!("email"), &json!("On call")));
        // Nobody is told that nobody could be told.
        pass(&db, &rig, 100_000).await;
        assert_eq!(told(&rig).await.len(), 1);
        let _ = rule;
    }

    async fn rules_can_be_narrowed_switched_off_and_on(db: TestStore) {
        let (rig, post) = with_post(&db, |_| Act::Take).await;
        let narrow = NewRule { subjects: vec!["wf_2".into()], ..failures(email(), 0) };
        let rule = rule(&rig, narrow).await;
        fail(&rig, 1).await;
        pass(&db, &rig, 10).await;
        assert!(post.letters().is_empty());
        let change = RuleChange { subjects: Some(Vec::new()), ..RuleChange::default() };
        let rule = rules::update(&rig.parts, &rig.ctx, &rule, change).await.unwrap();
        let stale = rules::update(&rig.parts, &rig.ctx, &rule, RuleChange::default()).await;
        let stale_error = rules::update(&rig.parts, &rig.ctx, &rule, RuleChange::default()).await;
        assert_eq!(stale_error.unwrap_err().code, Code::PreconditionFailed);
        let off = RuleChange { enabled: Some(false), ..RuleChange::default() };
        let rule = rules::update(&rig.parts, &rig.ctx, &stale.unwrap(), off).await.unwrap();
        fail(&rig, 2).await;
        // Nobody has looked at these yet when it is switched on again.
        let on = RuleChange { enabled: Some(true), ..RuleChange::default() };
        let rule = rules::update(&rig.parts, &rig.ctx, &rule, on).await.unwrap();
        fail(&rig, 1).await;
        pass(&db, &rig, 10).await;
        let counts: Vec<u64> = told(&rig).await.iter().map(|one| one.count).collect();
        assert_eq!(counts, [1]);
        rules::try_out(&rig.parts, &rig.ctx, &rule).await.unwrap();
        assert_eq!(post.letters().len(), 2);
        rules::delete(&rig.parts.store, &rig.ctx, &rule.id).await.unwrap();
        assert!(told(&rig).await.is_empty());
        fail(&rig, 1).await;
        pass(&db, &rig, 10).await;
        assert_eq!(post.letters().len(), 2);
    }

    async fn subscriptions_hear_of_it_once(db: TestStore) {
        let rig = Rig::new(&db).await;
        let other = db.tenant("Other").await.unwrap();
        rule(&rig, failures(Channel::Webhook, 0)).await;
        fail(&rig, 2).await;
        for _ in 0..3 {
            pass(&db, &rig, 10).await;
        }
        let [raised] = events(&rig, EventType::NotificationRaised).await.try_into().unwrap();
        assert_eq!((&raised["count"], &raised["name"]), (&json!(2), &json!("On call")));
        assert_eq!(raised["events"][0]["message"], "no room");
        let mut conn = db.store.read().await.unwrap();
        assert_eq!(conn.last_event_seq(&other).await.unwrap(), 0);
    }

    async fn slack_is_told_and_nothing_said_calls_anyone(db: TestStore) {
        let ctx = db.tenant("Digi Sol").await.unwrap();
        let fake = fakes::start(&db).await;
        let rig = Rig::reaching(&db, ctx, &[&fakes::address(&fake)]);
        fakes::connect(&rig.parts, &rig.ctx, &fake).await;
        let way = Channel::Slack { channel: "general".into(), integration: None };
        let rule = rule(&rig, NewRule { name: "<!channel> & co".into(), ..failures(way, 0) }).await;
        fail(&rig, 1).await;
        pass(&db, &rig, 10).await;
        let posted = fake.handle.messages();
        assert_eq!(posted.len(), 1, "{posted:?}");
        let text = format!("{:?}", posted[0]);
        assert!(text.contains("&lt;!channel&gt; &amp; co: run.failed"), "{text}");
        assert_eq!(told(&rig).await[0].status, NotificationStatus::Sent);
        let _ = rule;
    }

    async fn without_a_post_office_a_rule_by_email_is_refused(db: TestStore) {
        let rig = Rig::new(&db).await;
        let error = rules::create(&rig.parts, &rig.ctx, failures(email(), 0)).await.unwrap_err();
        assert_eq!(error.code, Code::Conflict);
        assert!(error.detail.contains("SMTP_URL"), "{}", error.detail);
    }

    async fn a_step_sends_a_letter_and_never_twice_by_itself(db: TestStore) {
        let (rig, post) = with_post(&db, |n| if n == 1 { Act::Vanish } else { Act::Take }).await;
        let step = |id: &str, repeat: bool| json!({
            "id": id, "type": "action", "action": "notify.email",
            "input": {
                "to": "ann@example.org", "subject": "Hello {{ trigger.name }}", "text": "Hi",
                "repeat": repeat,
            },
            "retry": { "attempts": 3, "backoff": "1s" },
        });
        let first = rig.start("one", json!([step("tell", false)]), json!({"name": "Ann"})).await;
        rig.settle().await;
        let done = rig.state(&first.id).await;
        assert_eq!(done.output.unwrap().here().unwrap()["receivers"], 1);
        assert_eq!(post.letters()[0].header("Subject"), Some("Hello Ann"));

        // The server took the second one, perhaps: a person looks.
        let second = rig.start("two", json!([step("tell", false)]), json!({"name": "Bo"})).await;
        rig.settle().await;
        db.sim.clock.advance_secs(100);
        rig.settle().await;
        let failed = rig.state(&second.id).await;
        assert_eq!(failed.error.unwrap().code, "outcome_unknown");
        assert_eq!(post.letters().len(), 2);

        // A line break from outside makes no header, and no letter.
        let evil = json!({"name": "x\r\nBcc: eve@example.org"});
        let third = rig.start("three", json!([step("tell", true)]), evil).await;
        rig.settle().await;
        assert_eq!(rig.state(&third.id).await.error.unwrap().code, "invalid");
        assert_eq!(post.letters().len(), 2);
    }
}
