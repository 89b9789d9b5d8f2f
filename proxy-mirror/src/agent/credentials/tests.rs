use tokio::sync::oneshot;

use super::*;
use crate::agent::engine_link::Given;

/// For what a test waits for at most.
const LIMIT: Duration = Duration::from_secs(20);

fn wanted() -> Vec<WantedCredentials> {
    vec![WantedCredentials {
        upstream: "http://ann@proxy.test:3128".parse().unwrap(),
        password: None,
    }]
}

fn locked() -> KeychainError {
    KeychainError::Refused {
        account: "ann@proxy.test:3128".into(),
        reason: "locked".into(),
    }
}

async fn said(passwords: &Passwords, answer: fn() -> Answer) -> Vec<Credentials> {
    let ask = move |_, _| async move { answer() };
    passwords.asked(&wanted(), ask).await
}

#[tokio::test]
async fn a_keychain_that_locks_takes_no_password_back_and_says_why_it_gives_none() {
    let passwords = Passwords::default();
    let lent = said(&passwords, || Ok(Some("hunter2".into()))).await;
    assert_eq!(lent.len(), 1);
    passwords.look_again();
    assert_eq!(said(&passwords, || Err(locked())).await, lent);
    let codes: Vec<String> = passwords.notices().into_iter().map(|n| n.code).collect();
    assert_eq!(codes, ["keychain_refused"]);
    // It is not asked again before it tells of something.
    let nobody = said(&passwords, || panic!("it is asked again"));
    assert_eq!(nobody.await, lent);
    passwords.look_again();
    assert_eq!(
        said(&passwords, || Ok(Some("hunter2".into()))).await,
        lent,
        "the same one is no news"
    );
    assert!(passwords.notices().is_empty());
    passwords.look_again();
    assert!(said(&passwords, || Ok(None)).await.is_empty());
}

#[tokio::test]
async fn a_prompt_that_nobody_answers_holds_nothing_up_and_its_answer_is_told() {
    let passwords = Passwords::default();
    let lent = said(&passwords, || Ok(Some("old".into()))).await;
    passwords.answered().await;
    passwords.look_again();
    let (answer, prompt) = oneshot::channel::<Answer>();
    let prompt = Mutex::new(Some(prompt));
    let ask = |_, _| {
        let prompt = prompt.lock().unwrap().take().expect("it is asked once");
        async move { prompt.await.unwrap() }
    };
    let wanted = wanted();
    let known = passwords.asked(&wanted, ask);
    assert_eq!(tokio::time::timeout(LIMIT, known).await.unwrap(), lent);
    // Whoever asks meanwhile shows no second prompt, and waits for none.
    passwords.look_again();
    let meanwhile = passwords.asked(&wanted, ask);
    assert_eq!(tokio::time::timeout(LIMIT, meanwhile).await.unwrap(), lent);
    assert!(passwords.notices().is_empty());
    answer.send(Ok(Some("new".into()))).unwrap();
    let told = tokio::time::timeout(LIMIT, passwords.answered());
    told.await.unwrap();
    let new = said(&passwords, || Ok(Some("new".into()))).await;
    assert_ne!(new, lent);
    assert_eq!(new[0].password.expose_secret(), "new");
}

#[tokio::test]
async fn a_late_answer_to_an_old_question_is_no_answer_to_a_new_one() {
    let passwords = Passwords::default();
    let (answer, prompt) = oneshot::channel::<Answer>();
    let prompt = Mutex::new(Some(prompt));
    let ask = |_, _| {
        let prompt = prompt.lock().unwrap().take().expect("it is asked once");
        async move { prompt.await.unwrap() }
    };
    assert!(passwords.asked(&wanted(), ask).await.is_empty());
    passwords.forget("proxy.test:3128");
    let new = said(&passwords, || Ok(Some("new".into()))).await;
    answer.send(Ok(Some("old".into()))).unwrap();
    // The task of the old question has ended when its share of the entries is given back.
    let ended = async {
        while Arc::strong_count(&passwords.kept) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.unwrap();
    assert_eq!(said(&passwords, || panic!("it is known")).await, new);
}

#[tokio::test]
async fn a_password_that_its_user_gives_again_is_news_to_engines_once() {
    let passwords = Passwords::default();
    let answer = || Ok(Some("hunter2".into()));
    let mut given = Given::default();
    let first = said(&passwords, answer).await.remove(0);
    // What the keychain has since before is tried as far as it was not refused.
    assert!(!given.is_news(&first));
    given.heard(&first);
    passwords.forget("proxy.test:3128");
    let asked = said(&passwords, answer).await.remove(0);
    assert!(!given.is_news(&asked), "it was only asked for again");
    passwords.were_given("proxy.test:3128");
    let again = said(&passwords, answer).await.remove(0);
    assert!(again != asked && given.is_news(&again));
    assert!(again.under("l", given.is_news(&again)).anew);
    given.heard(&again);
    // Another engine, or the same one attached to again, hears the same and no more.
    assert!(!given.is_news(&again));
}
