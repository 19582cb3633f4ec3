//! Who may do what: Basic credentials, the users of the secret tree and the one table of roles.
//! Does not read the body; a request without the right to send one is refused before.

use std::sync::Arc;

use actix::{Actor, Handler};
use actix_web::HttpRequest;
use actix_web::http::header;
use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq};
use tillstream_domain::{Action, UserRole};
use tillstream_messages::{SecretTree, SecretsChanged};
use tillstream_supervision::{SupervisedContext, supervised};
use tracing::{info, warn};

use super::errors::ApiError;

/// Longest `user:password` that is compared, a multiple of 3; the generated ones are far shorter.
const MAX_CREDENTIALS: usize = 384;
// `ct_eq` compares words of eight bytes and must not leave out a rest.
const _: () = assert!(MAX_CREDENTIALS.is_multiple_of(8));
/// The same in base64.
const MAX_ENCODED: usize = MAX_CREDENTIALS / 3 * 4;
/// Below this path the secret tree holds one entry per HTTP user.
const CREDENTIALS_PATH: &str = "validation-service/creds/";

/// The users as every request sees them; clones share one table that a change of secrets swaps whole.
#[derive(Clone, Default)]
pub struct Users(Arc<ArcSwap<Vec<User>>>);

/// One user; `user:password` padded so that comparing takes the same time whatever differs.
struct User {
    name: String,
    credentials: Padded,
    role: UserRole,
}

struct Padded {
    bytes: [u8; MAX_CREDENTIALS],
    length: usize,
}

// === impl Users ===

impl Users {
    /// The users of a secret tree.
    pub fn from_tree(tree: &SecretTree) -> Self {
        let users = Self::default();
        users.replace(tree);
        users
    }

    /// Takes over the users of a changed tree.
    pub fn replace(&self, tree: &SecretTree) {
        let paths = tree.entries.keys().filter(|path| path.starts_with(CREDENTIALS_PATH));
        self.0.store(Arc::new(paths.filter_map(|path| read_user(tree, path)).collect()));
    }

    /// Lets the request pass if its user may do this.
    ///
    /// # Errors
    /// 401 with the same body for an unknown user and a wrong password, 403 for a user of another role.
    pub fn authorize(&self, request: &HttpRequest, action: Action) -> Result<(), ApiError> {
        self.admit(request, action, |_| ())
    }

    /// The same, and the user's name for the log.
    ///
    /// # Errors
    /// As [`Users::authorize`].
    pub fn identify(&self, request: &HttpRequest, action: Action) -> Result<String, ApiError> {
        self.admit(request, action, |user| user.name.clone())
    }

    fn admit<T>(&self, request: &HttpRequest, action: Action, read: impl Fn(&User) -> T) -> Result<T, ApiError> {
        let given = read_credentials(request)?;
        let users = self.0.load();
        let Some(user) = find(&users, &given) else {
            return Err(ApiError::Unauthorized("Invalid credentials"));
        };
        if user.role.may(action) { Ok(read(user)) } else { Err(ApiError::Forbidden) }
    }
}

/// Compares with every user, found or not, so that time tells nothing.
fn find<'a>(users: &'a [User], given: &Padded) -> Option<&'a User> {
    let mut found = None;
    for user in users {
        if bool::from(user.credentials.ct_eq(given)) {
            found = Some(user);
        }
    }
    found
}

fn read_user(tree: &SecretTree, path: &str) -> Option<User> {
    let key = |name| tree.expose(path, name);
    let (Some(name), Some(password), Some(role)) =
        (key("username"), key("password"), key("role").and_then(UserRole::parse))
    else {
        warn!(secret.path = path, "secret `{path}` is no HTTP user: it needs username, password and a known role");
        return None;
    };
    let credentials = Padded::new(format!("{name}:{password}").as_bytes());
    if credentials.is_none() {
        warn!(secret.path = path, "secret `{path}` is longer than an HTTP user may be");
    }
    let credentials = credentials.filter(|_| !name.is_empty() && !password.is_empty());
    credentials.map(|credentials| User { name: name.to_owned(), credentials, role })
}

/// The decoded `user:password` of the `Authorization` header.
fn read_credentials(request: &HttpRequest) -> Result<Padded, ApiError> {
    let value = request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    let encoded = value.and_then(after_scheme).ok_or(ApiError::Unauthorized("Not authenticated"))?;
    let undecodable = ApiError::Unauthorized("Invalid authentication credentials");
    let mut decoded = [0_u8; MAX_CREDENTIALS];
    if encoded.len() > MAX_ENCODED {
        return Err(ApiError::Unauthorized("Invalid credentials"));
    }
    let length = STANDARD.decode_slice(encoded, &mut decoded).map_err(|_| undecodable.clone())?;
    let has_colon = decoded[..length].contains(&b':');
    if has_colon { Ok(Padded { bytes: decoded, length }) } else { Err(undecodable) }
}

fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    scheme.eq_ignore_ascii_case(b"basic ").then(|| rest.trim_ascii())
}

// === impl Padded ===

impl Padded {
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_CREDENTIALS];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, length: text.len() })
    }

    /// Word by word: every request is compared with every user, and byte by byte would be eight times the work.
    fn ct_eq(&self, other: &Self) -> Choice {
        let same = self.length.ct_eq(&other.length);
        self.words().zip(other.words()).fold(same, |same, (one, another)| same & one.ct_eq(&another))
    }

    fn words(&self) -> impl Iterator<Item = u64> {
        self.bytes.as_chunks().0.iter().copied().map(u64::from_ne_bytes)
    }
}

/// Keeps the users in step with the secrets.
pub struct UserBook {
    /// Shared with the HTTP workers.
    users: Users,
}

// === impl UserBook ===

impl UserBook {
    /// A book that writes into `users`.
    pub const fn new(users: Users) -> Self {
        Self { users }
    }
}

supervised!(UserBook);

impl Actor for UserBook {
    type Context = SupervisedContext<Self>;
}

impl Handler<SecretsChanged> for UserBook {
    type Result = ();

    fn handle(&mut self, fact: SecretsChanged, _: &mut Self::Context) {
        self.users.replace(&fact.tree);
        let users = fact.changed.iter().filter(|path| path.starts_with(CREDENTIALS_PATH)).count();
        if users > 0 {
            info!(users.changed = users, "users changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use actix_web::test::TestRequest;
    use secrecy::SecretString;
    use tillstream_messages::SecretEntry;

    use super::*;

    fn entry_for_test(name: &str, password: &str, role: &str) -> SecretEntry {
        let keys = [("username", name), ("password", password), ("role", role)];
        let keys = keys.map(|(key, value)| (key.to_owned(), SecretString::from(value)));
        SecretEntry::new(1, chrono::Utc::now(), BTreeMap::from(keys))
    }

    fn users_for_test() -> Users {
        let mut tree = SecretTree::default();
        tree.entries.insert(format!("{CREDENTIALS_PATH}pos-service"), entry_for_test("till", "secret", "pos"));
        tree.entries.insert(format!("{CREDENTIALS_PATH}admin"), entry_for_test("admin", "other", "admin"));
        tree.entries.insert(format!("{CREDENTIALS_PATH}nobody"), entry_for_test("nobody", "", "admin"));
        Users::from_tree(&tree)
    }

    fn attempt(authorization: &str, action: Action) -> Result<(), ApiError> {
        let request = TestRequest::default().insert_header((header::AUTHORIZATION, authorization)).to_http_request();
        users_for_test().authorize(&request, action)
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[test]
    fn the_right_password_lets_a_till_send_a_sale_and_nothing_else() {
        assert_eq!(attempt(&basic("till:secret"), Action::SendSale), Ok(()));
        for action in Action::ALL.into_iter().filter(|action| *action != Action::SendSale) {
            assert_eq!(attempt(&basic("till:secret"), action), Err(ApiError::Forbidden));
        }
        assert_eq!(attempt(&basic("admin:other"), Action::ReadLedger), Ok(()));
    }

    #[test]
    fn a_user_is_known_by_name_only_to_who_may_act() {
        let name = |credentials: &str| {
            let request = TestRequest::default().insert_header((header::AUTHORIZATION, basic(credentials)));
            users_for_test().identify(&request.to_http_request(), Action::InjectFault)
        };
        assert_eq!(name("admin:other"), Ok("admin".to_owned()));
        assert_eq!(name("till:secret"), Err(ApiError::Forbidden));
    }

    #[test]
    fn an_unknown_user_and_a_wrong_password_look_the_same() {
        let unknown = attempt(&basic("stranger:secret"), Action::SendSale).unwrap_err();
        let wrong = attempt(&basic("till:secreT"), Action::SendSale).unwrap_err();
        let longer = attempt(&basic("till:secret\0"), Action::SendSale).unwrap_err();
        assert_eq!(unknown, wrong);
        assert_eq!(unknown, longer);
    }

    #[test]
    fn what_is_not_basic_is_not_authenticated() {
        for value in ["", "Basic", "Bearer abc", "Basi \u{e9}"] {
            assert_eq!(attempt(value, Action::SendSale), Err(ApiError::Unauthorized("Not authenticated")));
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_without_a_panic() {
        let undecodable = Err(ApiError::Unauthorized("Invalid authentication credentials"));
        assert_eq!(attempt("Basic !!!", Action::SendSale), undecodable);
        assert_eq!(attempt(&basic("no colon"), Action::SendSale), undecodable);
        let long = basic(&format!("till:{}", "x".repeat(4000)));
        assert_eq!(attempt(&long, Action::SendSale), Err(ApiError::Unauthorized("Invalid credentials")));
    }

    #[test]
    fn a_user_without_a_password_does_not_exist() {
        assert!(attempt(&basic("nobody:"), Action::ReadLedger).is_err());
    }

    #[test]
    fn the_longest_password_that_is_taken_over_also_logs_in() {
        let password = "x".repeat(MAX_CREDENTIALS - "till:".len());
        let mut tree = SecretTree::default();
        tree.entries.insert(format!("{CREDENTIALS_PATH}pos-service"), entry_for_test("till", &password, "pos"));
        let header = (header::AUTHORIZATION, basic(&format!("till:{password}")));
        let request = TestRequest::default().insert_header(header).to_http_request();
        assert_eq!(Users::from_tree(&tree).authorize(&request, Action::SendSale), Ok(()));
    }

    #[test]
    fn a_changed_password_is_in_use_at_once() {
        let users = users_for_test();
        let mut tree = SecretTree::default();
        tree.entries.insert(format!("{CREDENTIALS_PATH}pos-service"), entry_for_test("till", "fresh", "pos"));
        users.replace(&tree);
        let sends = |credentials: &str| {
            let request = TestRequest::default().insert_header((header::AUTHORIZATION, basic(credentials)));
            users.authorize(&request.to_http_request(), Action::SendSale).is_ok()
        };
        assert!(sends("till:fresh"));
        assert!(!sends("till:secret"));
    }
}
