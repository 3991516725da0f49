//! The workspace: channels, people, messages.

use std::collections::VecDeque;

use connectus_core::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{config::SandboxConfig, oauth::Grants, people, random::Random, window::Windows};

/// Messages kept; older ones are dropped.
const MAX_MESSAGES: usize = 50_000;
const MEMBERS: u32 = 12;
/// Since when everything in the workspace exists.
const CREATED_SECS: i64 = 1_700_000_000;

/// Channel names; two of them are special below.
const CHANNELS: [&str; 24] = [
    "general",
    "random",
    "new-leads",
    "sales",
    "alerts",
    "support",
    "marketing",
    "operations",
    "finance",
    "product",
    "engineering",
    "design",
    "partners",
    "events",
    "hiring",
    "training",
    "abidjan",
    "dakar",
    "nairobi",
    "paris",
    "projects",
    "customer-success",
    "closed-2024",
    "board-only",
];
const ARCHIVED: &str = "closed-2024";
const NOT_A_MEMBER: &str = "board-only";

/// Everything the Slack fake holds.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub label: String,
    pub channels: Vec<Channel>,
    pub members: Vec<Value>,
    pub messages: VecDeque<SlackMessage>,
    pub grants: Grants,
    pub calls: Windows,
    last_ts: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub id: String,
    pub name: &'static str,
    pub is_archived: bool,
    pub is_member: bool,
}

/// A message as the fake received it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlackMessage {
    /// Channel id.
    pub channel: String,
    /// Channel name without `#`.
    pub channel_name: String,
    /// Text, empty when only blocks were sent.
    pub text: String,
    /// Block Kit blocks.
    pub blocks: Vec<Value>,
    /// Slack's message id within the channel.
    pub ts: String,
    /// Thread it answers in, empty for none.
    pub thread_ts: String,
    /// Whether it came through the incoming webhook.
    pub by_webhook: bool,
}

pub(crate) const TEAM_ID: &str = "T0SANDBOX";
pub(crate) const BOT_ID: &str = "B0SANDBOX1";
pub(crate) const BOT_USER_ID: &str = "U0SANDBOX1";
pub(crate) const SLACK_APP_ID: &str = "A0SANDBOX1";

impl Workspace {
    pub(crate) fn seeded(config: &SandboxConfig) -> Self {
        let channels = (0..).zip(CHANNELS).map(|(index, name): (u32, _)| Channel {
            id: format!("C0SANDBOX{index:02}"),
            name,
            is_archived: name == ARCHIVED,
            is_member: name != NOT_A_MEMBER,
        });
        let mut random = Random::new(config.seed, 20);
        Self {
            label: config.label.clone(),
            channels: channels.collect(),
            members: (0..MEMBERS).map(|index| member(&mut random, index)).collect(),
            messages: VecDeque::new(),
            grants: Grants::new("xoxb-", config.seed),
            calls: Windows::new(config.limits.slack_per_minute, 60_000),
            last_ts: 0,
        }
    }

    /// By id, or by name with or without `#`.
    pub(crate) fn channel(&self, wanted: &str) -> Option<&Channel> {
        let name = wanted.strip_prefix('#').unwrap_or(wanted);
        self.channels.iter().find(|channel| channel.id == wanted || channel.name == name)
    }

    /// A time stamp no other message has.
    pub(crate) fn next_ts(&mut self, now: Timestamp) -> String {
        self.last_ts = now.0.max(self.last_ts + 1);
        let ts = Timestamp(self.last_ts);
        format!("{:010}.{:06}", ts.secs(), ts.0.rem_euclid(1_000_000))
    }

    pub(crate) fn keep(&mut self, message: SlackMessage) {
        if self.messages.len() >= MAX_MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }
}

impl Channel {
    /// The channel as Slack shows it.
    pub(crate) fn show(&self) -> Value {
        let about = json!({"value": "", "creator": "", "last_set": 0});
        json!({
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "created": CREATED_SECS,
            "creator": BOT_USER_ID,
            "is_archived": self.is_archived,
            "is_channel": true,
            "is_general": self.name == "general",
            "is_group": false,
            "is_im": false,
            "is_member": self.is_member,
            "is_mpim": false,
            "is_org_shared": false,
            "is_private": false,
            "is_shared": false,
            "num_members": MEMBERS,
            "topic": about,
            "purpose": about,
        })
    }
}

fn member(random: &mut Random, index: u32) -> Value {
    let person = people::person(random, index);
    let name = format!("{} {}", person.first, person.last);
    json!({
        "id": format!("U0SANDBOX{:02}", index + 10),
        "team_id": TEAM_ID,
        "name": person.email.split('@').next(),
        "real_name": name,
        "deleted": false,
        "is_admin": index == 0,
        "is_owner": index == 0,
        "is_primary_owner": index == 0,
        "is_restricted": false,
        "is_ultra_restricted": false,
        "is_bot": false,
        "is_app_user": false,
        "tz": "Etc/UTC",
        "tz_label": "UTC",
        "tz_offset": 0,
        "updated": CREATED_SECS,
        "profile": {
            "real_name": name,
            "real_name_normalized": name,
            "display_name": person.first,
            "display_name_normalized": person.first,
            "email": person.email,
            "title": person.job,
            "phone": person.phone,
            "skype": "",
            "status_text": "",
            "status_emoji": "",
            "avatar_hash": "",
            "fields": {},
        },
    })
}
