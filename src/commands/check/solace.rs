//! `tillstream check` on a Solace broker: what each user of this process finds there.
//! Takes no message; what no client is told is said to be unknown.

use anyhow::anyhow;
use tillstream_domain::{BrokerUser, Topics};
use tillstream_messages::SecretTree;
use tillstream_solace::{Access, Finding, FindingState, Inspection, inspect};

use super::{Line, State};
use crate::roles::Role;
use crate::settings::Settings;
use crate::startup;

/// What has to be compared by hand or in the broker's own management.
const UNSEEN: &str = "no client is told: which subscriptions a queue has, what it does when it is full, its redelivery limit, \
                      time to live and `max-delivered-unacked-msgs-per-flow`; compare them with the table `On Solace` in the README";

/// One line per user, queue and question.
pub async fn lines(settings: &Settings, tree: Option<&SecretTree>) -> Vec<Line> {
    let Some(tree) = tree else {
        return vec![Line::new("broker", Err(anyhow!("without secrets nobody knows the broker's users")))];
    };
    let mut lines = Vec::new();
    for user in users(settings) {
        match inspection(user, settings, tree) {
            Ok(inspection) => {
                let findings = inspect(&inspection, &settings.solace).await;
                lines.extend(findings.into_iter().map(|finding| line(user, finding)));
            }
            Err(error) => lines.push(Line::new(user.name(), Err(error))),
        }
    }
    lines.push(Line { subject: "broker".to_owned(), state: State::Unknown(UNSEEN.to_owned()) });
    lines
}

/// The users as which this process logs in.
fn users(settings: &Settings) -> Vec<BrokerUser> {
    let of_role = |(role, user)| settings.roles.plays(role).then_some(user);
    let pairs = [
        (Role::Validation, BrokerUser::Validation),
        (Role::Aggregation, BrokerUser::Aggregation),
        (Role::Reporting, BrokerUser::Reporting),
    ];
    pairs.into_iter().filter_map(of_role).collect()
}

fn inspection(user: BrokerUser, settings: &Settings, tree: &SecretTree) -> anyhow::Result<Inspection> {
    let topics = Topics::new(startup::topic_prefix(tree)?, settings.topics.personal_data);
    Ok(Inspection {
        access: Access::of(&settings.solace, tree, user.credentials_path())?,
        creds_path: user.credentials_path().to_owned(),
        queues: user.consumes(settings.rules.max_store),
        probe_topic: Some(topics.probe(user)),
    })
}

fn line(user: BrokerUser, finding: Finding) -> Line {
    let Finding { subject, state } = finding;
    let told = |text: String| format!("{subject}: {text}");
    let state = match state {
        FindingState::InOrder(text) => State::InOrder(told(text)),
        FindingState::Wrong(text) => State::Failed(told(text)),
    };
    Line { subject: user.name().to_owned(), state }
}
