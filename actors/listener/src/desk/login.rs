//! Who the client is: login, change of name, direct subscriptions.
//! Decides nothing about guaranteed messages.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tillstream_logins::{Attempt, Credentials};
use tillstream_smf::{
    Action, AnswerBody, Capabilities, Capability, CapabilitySet, CorrelationTag, Login, LoginAnswer, Reply, Response,
    Subscription, Update,
};
use tokio::time::Instant;
use tracing::info;

use super::{Client, Desk, Phase};
use crate::accounts::Rights;
use crate::parting::Parting;
use crate::topics::{fits, has_wildcard, is_subscription};

/// What clients are told that we are.
const ROUTER: &str = "tillstream";
/// In front of all inboxes.
const INBOXES: &str = "#P2P/";
/// Longest client name of Solace.
const MAX_NAME: usize = 160;
/// How long an earlier connection of that name may take to end: a client that reconnects is often faster than its end.
const NAME_WITHIN: Duration = Duration::from_millis(500);
const NAME_EVERY: Duration = Duration::from_millis(10);
/// A client that wants a sign of life more often, or hardly ever, does not get it.
const KEEP_ALIVE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// Why somebody is not let in.
pub(super) struct NotAdmitted {
    /// What the client is told.
    response: Response,
    /// What the audit log says.
    pub(super) reason: &'static str,
    /// The metric's.
    pub(super) label: &'static str,
    /// Whose pause that has begun.
    pub(super) begun: Option<&'static str>,
}

/// A client that may come in and waits for its name.
pub(super) struct Applicant {
    pub(super) next_try: Instant,
    until: Instant,
    message_vpn: Option<String>,
    client: Client,
}

impl Desk {
    pub(super) fn login(&mut self, login: Login, now: Instant) -> Result<(), Parting> {
        let settings = &self.hub.settings;
        if self.hub.memory.peers().clients() >= settings.max_connections {
            return self.refuse(None, &NotAdmitted::new(Response::TOO_MANY_CLIENTS, "full", "full"));
        }
        let user = login.username.clone().unwrap_or_default();
        let generation = self.hub.accounts.generation();
        let rights = match self.admit(&user, &login, now) {
            Ok(rights) => rights,
            Err(refusal) => return self.refuse(Some(&user), &refusal),
        };
        if let (Some(only), Some(wanted)) = (&settings.message_vpn, &login.message_vpn)
            && only != wanted
        {
            return self.refuse(Some(&user), &NotAdmitted::new(Response::MESSAGE_VPN_NOT_ALLOWED, "vpn", "vpn"));
        }
        let name = login.client_name.filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| format!("#client/{}", self.number));
        if !is_name(&name) {
            return self.refuse(Some(&user), &NotAdmitted::new(Response::FORBIDDEN, "name", "name"));
        }
        let stated = login.keep_alive_seconds.filter(|seconds| *seconds > 0).map(|it| Duration::from_secs(it.into()));
        let keep_alive = stated.unwrap_or(settings.keep_alive).clamp(*KEEP_ALIVE.start(), *KEEP_ALIVE.end());
        let inbox = format!("{INBOXES}v:{ROUTER}/{:08x}/{name}", self.number);
        let client = Client { user, rights, generation, name, inbox, keep_alive, subscriptions: BTreeSet::new() };
        let message_vpn = login.message_vpn;
        self.phase = Phase::Naming(Applicant { next_try: now, until: now + NAME_WITHIN, message_vpn, client });
        self.try_name(now)
    }

    /// Unknown users, wrong passwords and other ways to prove oneself are all answered alike; who fails too often is asked to
    /// come later, whoever it is.
    fn admit(&self, user: &str, login: &Login, now: Instant) -> Result<Arc<Rights>, NotAdmitted> {
        let accounts = &self.hub.accounts;
        if accounts.are_closed() {
            return Err(NotAdmitted::new(Response::SERVICE_UNAVAILABLE, "secrets_too_old", "closed"));
        }
        let failed = self.hub.memory.failed();
        if failed.pause_of(user.as_bytes(), self.address, now.into_std()).is_some() {
            return Err(NotAdmitted::new(Response::SERVICE_UNAVAILABLE, "too_many_failures", "limited"));
        }
        if login.auth_scheme.is_some() {
            return Err(NotAdmitted::new(Response::UNAUTHORIZED, "scheme", "unauthorized"));
        }
        let password = login.password.as_ref().map_or("", |password| password.expose_secret());
        let given = Credentials::new(user, password);
        let rights = given.as_ref().and_then(|given| accounts.admit(given, now.into_std()));
        rights.ok_or_else(|| self.failed(user, password, now))
    }

    fn failed(&self, user: &str, password: &str, now: Instant) -> NotAdmitted {
        let is_known = self.hub.accounts.knows(user);
        let secret = password.as_bytes();
        let attempt = Attempt { user: user.as_bytes(), is_known, address: self.address, secret };
        let reason = if is_known { "wrong_password" } else { "unknown_user" };
        let failure = self.hub.memory.failed().failed(&self.hub.settings.logins, &attempt, now.into_std());
        let refusal = match failure.paused {
            Some(_) => NotAdmitted::new(Response::SERVICE_UNAVAILABLE, "too_many_failures", "limited"),
            None => NotAdmitted::new(Response::UNAUTHORIZED, reason, "unauthorized"),
        };
        NotAdmitted { begun: failure.begun, ..refusal }
    }

    /// Lets the client in as soon as its name is free, or sends it away.
    pub(super) fn try_name(&mut self, now: Instant) -> Result<(), Parting> {
        let Phase::Naming(applicant) = &mut self.phase else { return Ok(()) };
        if !self.hub.memory.peers().claim(&applicant.client.name, self.number) {
            if now >= applicant.until {
                let user = applicant.client.user.clone();
                return self
                    .refuse(Some(&user), &NotAdmitted::new(Response::CLIENT_NAME_IN_USE, "name_in_use", "name"));
            }
            applicant.next_try = now + NAME_EVERY;
            return Ok(());
        }
        let Phase::Naming(Applicant { client, message_vpn, .. }) = std::mem::replace(&mut self.phase, Phase::Closed)
        else {
            return Ok(());
        };
        info!(connection = self.number, user = %client.user, client = %client.name, "client logged in");
        let answer = self.welcome(&client, message_vpn);
        self.phase = Phase::Serving(client);
        self.answer(None, Response::OK, AnswerBody::Login(answer));
        Ok(())
    }

    fn welcome(&self, client: &Client, message_vpn: Option<String>) -> LoginAnswer {
        // Exactly what is implemented, because clients believe it.
        let flags = CapabilitySet::of(&[
            Capability::GuaranteedConsume,
            Capability::GuaranteedPublish,
            Capability::ActiveFlowIndication,
            Capability::NegativeSettlement,
        ]);
        let largest = u32::try_from(self.hub.broker.max_message_bytes()).ok();
        let capabilities =
            Capabilities { flags, max_guaranteed: largest, max_direct: largest, ..Capabilities::default() };
        LoginAnswer {
            software_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            platform: Some(ROUTER.to_owned()),
            client_name: Some(client.name.clone()),
            message_vpn,
            p2p_topic: Some(client.inbox.clone()),
            capabilities: Some(capabilities),
            virtual_router: Some(ROUTER.to_owned()),
            router_name: Some(ROUTER.to_owned()),
            ..LoginAnswer::default()
        }
    }

    fn refuse(&self, user: Option<&str>, refusal: &NotAdmitted) -> Result<(), Parting> {
        let user = user.map(|user| self.hub.accounts.shown(user));
        self.note_login(user.as_deref(), refusal);
        self.answer(None, refusal.response.clone(), AnswerBody::Login(LoginAnswer::default()));
        Err(Parting::LoginRefused)
    }

    pub(super) fn update(&mut self, correlation: Option<CorrelationTag>, update: Update) {
        let response = update.client_name.map_or(Response::OK, |name| self.rename(name));
        self.answer(correlation, response, AnswerBody::Update);
    }

    fn rename(&mut self, name: String) -> Response {
        let Phase::Serving(client) = &mut self.phase else { return Response::FORBIDDEN };
        let peers = self.hub.memory.peers();
        // The name becomes part of the inbox, which would be everybody's.
        if !is_name(&name) || has_wildcard(&name) {
            return Response::FORBIDDEN;
        }
        if !peers.claim(&name, self.number) {
            return Response::CLIENT_NAME_IN_USE;
        }
        if name != client.name {
            peers.release(&client.name, self.number);
            client.inbox = format!("{INBOXES}{ROUTER}/{name}");
            client.name = name;
        }
        Response::OK
    }

    pub(super) fn subscribe(&mut self, correlation: Option<CorrelationTag>, subscription: Subscription) {
        let response = match subscription.action {
            Action::Add => self.add(&subscription.topic),
            Action::Remove => self.remove(&subscription.topic),
        };
        if subscription.flags.response_required() {
            self.say(&Reply::answer(correlation, response, AnswerBody::Subscription(Some(subscription))));
        }
    }

    fn add(&mut self, topic: &str) -> Response {
        let response = self.try_add(topic);
        if response == Response::SUBSCRIPTION_ACL_DENIED {
            self.note_subscription(topic);
        }
        response
    }

    fn try_add(&mut self, topic: &str) -> Response {
        let Phase::Serving(client) = &mut self.phase else { return Response::FORBIDDEN };
        if topic.starts_with(INBOXES) {
            let own = topic.strip_prefix(client.inbox.as_str()).is_some_and(|rest| rest.starts_with('/'));
            if !own || !fits(topic) || client.subscriptions.len() >= self.hub.settings.max_subscriptions {
                // A refusal would end the client's connect; but nobody reads what others get.
                return Response::OK;
            }
        } else if !is_subscription(topic) {
            return Response::SUBSCRIPTION_PARSE_ERROR;
        } else if !client.rights.may_subscribe(topic) {
            return Response::SUBSCRIPTION_ACL_DENIED;
        } else if client.subscriptions.contains(topic) {
            return Response::SUBSCRIPTION_ALREADY_EXISTS;
        } else if client.subscriptions.len() >= self.hub.settings.max_subscriptions {
            return Response::TOO_MANY_SUBSCRIPTIONS;
        }
        if client.subscriptions.insert(topic.to_owned()) {
            self.hub.memory.switchboard().subscribe(topic, self.number, &self.outgoing);
        }
        Response::OK
    }

    fn remove(&mut self, topic: &str) -> Response {
        let Phase::Serving(client) = &mut self.phase else { return Response::FORBIDDEN };
        if client.subscriptions.remove(topic) {
            self.hub.memory.switchboard().unsubscribe(topic, self.number);
        }
        Response::OK
    }
}

// === impl NotAdmitted ===

impl NotAdmitted {
    const fn new(response: Response, reason: &'static str, label: &'static str) -> Self {
        Self { response, reason, label, begun: None }
    }
}

/// Names are logged, so they are words on a line.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control)
}
