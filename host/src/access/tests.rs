//! Stories of the door: who comes in, and who does not any more.

use millwork_core::id::TokenId;
use millwork_store::Memory;

use super::*;
use crate::clock::ManualClock;

const ADMIN: &str = "a-secret-of-the-administrator";

struct Story {
    access: Arc<Memory>,
    clock: ManualClock,
    gate: Gate,
}

impl Story {
    fn new() -> Self {
        let access = Arc::new(Memory::new());
        let clock = ManualClock::at(Timestamp::from_micros(1_800_000_000_000_000));
        let gate = Self::gate(&access, &clock);
        Self {
            access,
            clock,
            gate,
        }
    }

    /// Another process's door on the same store.
    fn gate(access: &Arc<Memory>, clock: &ManualClock) -> Gate {
        let access = Arc::clone(access) as Arc<dyn Access>;
        Gate::closed(access, Arc::new(clock.clone()), Some(ADMIN))
    }

    async fn token(&self, scopes: &str, expires_in: Option<Duration>) -> (Token, String) {
        let scopes = scopes.parse().expect("they are scopes");
        let made = self.gate.create_token("ci".to_owned(), scopes, expires_in);
        made.await.expect("the store keeps it")
    }

    async fn ask(&self, bearer: &str, scope: Scope) -> Result<String, String> {
        let admitted = self.gate.admit(Some(bearer), scope).await;
        admitted
            .map(|caller| caller.to_string())
            .map_err(|refusal| refusal.to_string())
    }
}

#[tokio::test]
async fn a_token_opens_what_its_scopes_name_and_nothing_else() {
    let story = Story::new();
    let (_, bearer) = story.token("trigger", None).await;
    assert_eq!(
        story.ask(&bearer, Scope::Trigger).await,
        Ok("the token \"ci\"".to_owned())
    );
    for scope in [Scope::Read, Scope::Write, Scope::Admin] {
        let refused = story.ask(&bearer, scope).await;
        let expected =
            format!("this needs the scope `{scope}`, and the token \"ci\" has `trigger`");
        assert_eq!(refused, Err(expected));
    }
}

#[tokio::test]
async fn who_has_no_token_or_a_made_up_one_stays_outside() {
    let story = Story::new();
    let missing = story.gate.admit(None, Scope::Read).await;
    assert!(matches!(missing, Err(Refusal::Missing)), "{missing:?}");
    let (token, bearer) = story.token("admin", None).await;
    let stranger = Secret::draw();
    for made_up in [
        stranger.write(token.id),
        stranger.write(TokenId::from_bytes([9; 16])),
        format!("{ADMIN}x"),
        String::new(),
        token.hash.to_string(),
    ] {
        let refused = story.ask(&made_up, Scope::Read).await;
        assert_eq!(
            refused,
            Err("the token is not known here".to_owned()),
            "{made_up}"
        );
    }
    assert!(story.ask(&bearer, Scope::Admin).await.is_ok());
    assert!(story.ask(ADMIN, Scope::Admin).await.is_ok());
}

#[tokio::test]
async fn a_token_ends_when_it_expires() {
    let story = Story::new();
    let (_, bearer) = story.token("read", Some(Duration::from_secs(60))).await;
    story.clock.advance(Duration::from_millis(59_999));
    assert!(story.ask(&bearer, Scope::Read).await.is_ok());
    story.clock.advance(Duration::from_millis(1));
    let refused = story.ask(&bearer, Scope::Read).await.expect_err("it ended");
    assert!(
        refused.starts_with("the token \"ci\" expired at"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_revoked_token_ends_here_at_once_and_elsewhere_soon() {
    let story = Story::new();
    let elsewhere = Story::gate(&story.access, &story.clock);
    let (token, bearer) = story.token("read", None).await;
    assert!(elsewhere.admit(Some(&bearer), Scope::Read).await.is_ok());
    assert!(story.ask(&bearer, Scope::Read).await.is_ok());
    let revoked = story.gate.revoke_token(token.id).await;
    assert!(revoked.expect("the store answers").is_some());
    let refused = story.ask(&bearer, Scope::Read).await.expect_err("it ended");
    assert!(refused.contains("was revoked at"), "{refused}");
    // The other process has looked a moment ago.
    assert!(elsewhere.admit(Some(&bearer), Scope::Read).await.is_ok());
    story.clock.advance(KEPT_FOR);
    let refused = elsewhere.admit(Some(&bearer), Scope::Read).await;
    assert!(matches!(refused, Err(Refusal::Revoked(..))), "{refused:?}");
}

#[tokio::test]
async fn an_open_door_lets_everybody_in() {
    let Story { access, clock, .. } = Story::new();
    let gate = Gate::open(access, Arc::new(clock));
    for bearer in [None, Some("made up")] {
        let caller = gate.admit(bearer, Scope::Admin).await;
        assert_eq!(caller.expect("it is open"), Caller::Anonymous);
    }
}
