//! Who is refused after how many failures, for how long, and who is not.

use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

fn limits() -> LoginLimits {
    LoginLimits { failures: 3, address_failures: 5, ..LoginLimits::default() }
}

struct Door {
    failed: FailedLogins,
    start: Instant,
}

impl Door {
    fn new() -> Self {
        Self { failed: FailedLogins::default(), start: Instant::now() }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// Whether the failure is answered like a guess too many.
    fn fail(&self, user: &str, is_known: bool, address: IpAddr, secret: &str) -> bool {
        let attempt = Attempt { user: user.as_bytes(), is_known, address, secret: secret.as_bytes() };
        self.failed.failed(&limits(), &attempt, self.start).paused.is_some()
    }

    fn refuses(&self, user: &str, address: IpAddr, seconds: u64) -> bool {
        self.failed.pause_of(user.as_bytes(), address, self.at(seconds)).is_some()
    }
}

#[test]
fn after_so_many_different_wrong_passwords_the_user_is_refused_from_that_address_for_the_pause() {
    let door = Door::new();
    for guess in ["1", "2", "3"] {
        assert!(!door.refuses("till", HERE, 0));
        door.fail("till", true, HERE, guess);
    }
    assert_eq!(door.failed.pause_of(b"till", HERE, door.at(10)), Some(Duration::from_secs(20)));
    assert!(door.refuses("till", HERE, 29) && !door.refuses("till", HERE, 30));
}

#[test]
fn nobody_else_is_refused() {
    let door = Door::new();
    ["1", "2", "3"].iter().for_each(|guess| _ = door.fail("till", true, HERE, guess));
    assert!(door.refuses("till", HERE, 0));
    assert!(!door.refuses("till", THERE, 0) && !door.refuses("admin", HERE, 0));
}

#[test]
fn a_till_with_an_old_password_counts_once_however_often_it_tries() {
    let door = Door::new();
    (0..1000).for_each(|_| _ = door.fail("till", true, HERE, "old"));
    assert!(!door.refuses("till", HERE, 0));
    ["1", "2"].iter().for_each(|guess| _ = door.fail("till", true, HERE, guess));
    assert!(door.refuses("till", HERE, 0));
}

#[test]
fn a_user_that_does_not_exist_is_refused_after_as_many_guesses_as_one_that_does() {
    for (user, is_known) in [("till", true), ("nobody", false)] {
        let door = Door::new();
        ["1", "2", "3"].iter().for_each(|guess| assert!(!door.fail(user, is_known, THERE, guess)));
        assert!(door.refuses(user, THERE, 0), "{user}");
    }
}

#[test]
fn an_address_that_fails_too_often_is_refused_what_is_wrong_and_nothing_else() {
    let door = Door::new();
    for (user, is_known) in [("a", false), ("b", true), ("c", false), ("d", true), ("e", false)] {
        assert!(!door.fail(user, is_known, HERE, "guess"), "{user}");
    }
    // Wrong is wrong alike, known or not, and a user who is right is asked only for its own pause.
    assert!(door.fail("f", false, HERE, "guess") && door.fail("till", true, HERE, "wrong"));
    assert!(!door.refuses("till", HERE, 0));
    assert!(!door.fail("f", false, THERE, "guess") && !door.fail("till", true, THERE, "wrong"));
}

#[test]
fn guesses_count_alike_while_their_address_is_refused_whether_the_user_exists_or_not() {
    let door = Door::new();
    ["a", "b", "c", "d", "e"].iter().for_each(|user| _ = door.fail(user, false, HERE, "guess"));
    for (user, is_known) in [("till", true), ("f", false)] {
        ["1", "2", "3"].iter().for_each(|guess| assert!(door.fail(user, is_known, HERE, guess)));
        assert!(door.refuses(user, HERE, 0), "{user}");
    }
}

#[test]
fn inventing_users_does_not_make_forget_the_guesses_at_a_real_one() {
    let door = Door::new();
    ["1", "2"].iter().for_each(|guess| _ = door.fail("till", true, HERE, guess));
    (0..50_000).for_each(|user: u32| _ = door.fail(&user.to_string(), false, HERE, "guess"));
    door.fail("till", true, HERE, "3");
    assert!(door.refuses("till", HERE, 0));
}

/// What each of a series of wrong logins of `x` and of invented users is answered, if `x` exists or not.
fn answers(series: &[(String, String)], x_is_known: bool) -> Vec<&'static str> {
    let door = Door::new();
    let answer = |(user, secret): &(String, String)| {
        if door.refuses(user, HERE, 0) {
            return "the user is paused";
        }
        let is_wrong = door.fail(user, user == "x" && x_is_known, HERE, secret);
        if is_wrong { "the address is paused" } else { "wrong" }
    };
    series.iter().map(answer).collect()
}

#[test]
fn no_answer_before_or_behind_a_limit_tells_whether_a_user_exists() {
    let invented = |number: usize| (format!("invented {number}"), "guess".to_owned());
    for place in 0..8 {
        for guesses in [vec![1], vec![1, 1, 1, 1], vec![1, 2, 3, 4], vec![1, 2, 2, 1, 3, 3, 4, 5, 6]] {
            let at_x = guesses.iter().map(|guess| ("x".to_owned(), format!("guess {guess}")));
            let before = (0..place).map(invented);
            let series: Vec<_> = before.chain(at_x).chain((place..10).map(invented)).collect();
            let (known, unknown) = (answers(&series, true), answers(&series, false));
            assert_eq!(known, unknown, "{place} invented users, then x with {guesses:?}, then more invented ones");
            assert!(known.contains(&"wrong") && known.contains(&"the address is paused"), "{known:?}");
        }
    }
}

#[test]
fn tills_of_one_store_with_old_passwords_count_once_each_towards_their_address() {
    let door = Door::new();
    let knock = |till: u32| door.fail(&format!("till-{till}"), true, HERE, "old");
    for _ in 0..100 {
        assert!(!(0..4).any(knock));
    }
    assert!(!knock(4), "the fifth begins the pause");
    assert!(knock(0) && knock(4));
    assert!(!(0..5).any(|till| door.refuses(&format!("till-{till}"), HERE, 0)), "what is right passes");
}

#[test]
fn the_failure_that_begins_a_pause_says_of_whom() {
    let door = Door::new();
    let begun = |user: &str, secret: &str| {
        let attempt = Attempt { user: user.as_bytes(), is_known: true, address: HERE, secret: secret.as_bytes() };
        door.failed.failed(&limits(), &attempt, door.start).begun
    };
    assert_eq!(["1", "2", "3"].map(|guess| begun("till", guess)), [None, None, Some("user")]);
    assert_eq!([begun("a", "1"), begun("a", "2")], [None, Some("address")]);
    assert_eq!([begun("a", "3"), begun("b", "1")], [Some("user"), None]);
    let elsewhere = Door::new();
    let both = LoginLimits { failures: 1, address_failures: 1, ..LoginLimits::default() };
    let attempt = Attempt { user: b"till", is_known: true, address: HERE, secret: b"guess" };
    assert_eq!(elsewhere.failed.failed(&both, &attempt, elsewhere.start).begun, Some("user and address"));
}

#[test]
fn tokens_are_counted_by_address_and_the_same_one_once() {
    let door = Door::new();
    let fail = |token: &str| door.failed.token_failed(&limits(), HERE, token.as_bytes(), door.start).paused.is_some();
    assert!((0..100).all(|_| !fail("expired")));
    assert!(["1", "2", "3", "4"].iter().all(|token| !fail(token)));
    assert!(fail("expired") && fail("6"));
    assert!(door.failed.token_failed(&limits(), HERE, b"7", door.at(30)).paused.is_none());
}

#[test]
fn all_of_a_home_network_of_ipv6_is_one_address_and_mapped_ones_are_those_of_ipv4() {
    let door = Door::new();
    let home = |host: &str| format!("2001:db8:0:1::{host}").parse().unwrap();
    ["1", "2", "3"].iter().for_each(|guess| _ = door.fail("till", true, home(guess), guess));
    assert!(door.refuses("till", home("ffff"), 0));
    assert!(!door.refuses("till", "2001:db8:0:2::1".parse().unwrap(), 0));
    let mapped = "::ffff:192.0.2.1".parse().unwrap();
    ["1", "2", "3"].iter().for_each(|guess| _ = door.fail("till", true, mapped, guess));
    assert!(door.refuses("till", HERE, 0));
}

#[test]
fn a_limit_of_none_refuses_nobody() {
    let (door, none) = (Door::new(), LoginLimits { failures: 0, address_failures: 0, ..LoginLimits::default() });
    for guess in 0..1000 {
        let secret = format!("{guess}");
        let attempt = Attempt { user: b"nobody", is_known: false, address: HERE, secret: secret.as_bytes() };
        assert_eq!(door.failed.failed(&none, &attempt, door.start), Failure { paused: None, begun: None });
    }
    assert!(!door.refuses("nobody", HERE, 0));
}

#[test]
fn over_the_bound_of_pauses_the_one_that_ends_first_ends() {
    let (failed, start) = (FailedLogins::default(), Instant::now());
    let limits = LoginLimits { failures: 1, address_failures: 0, ..LoginLimits::default() };
    let user = |number: usize| number.to_string();
    for number in 0..=MAX_PAUSES {
        let name = user(number);
        let attempt = Attempt { user: name.as_bytes(), is_known: true, address: HERE, secret: b"guess" };
        let failure = failed.failed(&limits, &attempt, start + Duration::from_micros(number as u64));
        assert_eq!(failure.begun, Some("user"));
    }
    let now = start + Duration::from_secs(1);
    assert_eq!(failed.pauses.load().len(), MAX_PAUSES);
    assert_eq!(failed.pause_of(user(0).as_bytes(), HERE, now), None);
    assert!(failed.pause_of(user(MAX_PAUSES).as_bytes(), HERE, now).is_some());
}

#[test]
fn the_same_password_has_another_hash_in_another_process() {
    let (one, other) = (FailedLogins::default(), FailedLogins::default());
    assert_ne!(one.key.hash_one(b"secret"), other.key.hash_one(b"secret"));
}
