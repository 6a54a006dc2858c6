//! Who may write: lock, fence and claims.

use super::*;
use crate::journal::Store as _;
use crate::model::{Adoption, Error, Outcome};

#[test]
fn a_live_run_is_refused_naming_its_holder() {
    let (_dir, journal) = state();
    let run = start(&journal, "r7k2", "api");
    let Err(Error::RunHeld { holder, .. }) = journal.acquire(run.run(), &bob(), at(1)) else { panic!("it is held") };
    assert_eq!(holder, format!("alice@bastion (pid {})", std::process::id()));
    let live = journal.is_live(run.run()).expect("looked").expect("somebody");
    assert_eq!((live.actor, live.fence), (alice(), 1));
}

#[test]
fn a_dead_holder_is_known_at_once_and_the_next_writes_under_a_higher_fence() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    run.append(at(1), vec![started(&step("api", "update"))]).expect("an intent");
    let id = run.run().clone();
    drop(run);
    assert_eq!(journal.is_live(&id).expect("looked"), None);
    let next = journal.acquire(&id, &bob(), at(60)).expect("taken up");
    assert_eq!(next.fence(), 2);
    let holder = next.view().holder.clone().expect("a holder");
    assert_eq!((holder.actor, holder.fence), (bob(), 2));
    assert_eq!(next.view().last_seq, 4);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "several threads at once are the point")]
fn many_who_try_at_once_get_one_run_between_them() {
    let (_dir, journal) = state();
    drop(start(&journal, "r7k2", "api"));
    let (dir, id) = (journal.state_dir().to_owned(), RunId::new("r7k2"));
    let tries: Vec<_> = (0..6)
        .map(|_| {
            let (dir, id) = (dir.clone(), id.clone());
            std::thread::spawn(move || {
                let journal = Journal::open(&dir).expect("a journal");
                let _ = journal.is_live(&id).expect("looked");
                journal.acquire(&id, &bob(), at(1))
            })
        })
        .collect();
    // All results are kept until all have tried, so that nobody takes what another has let go.
    let results: Vec<_> = tries.into_iter().map(|one| one.join().expect("no panic")).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(Error::RunHeld { .. } | Error::Fenced { .. }))));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "several threads at once are the point")]
fn who_only_looks_never_keeps_anybody_out() {
    let (_dir, journal) = state();
    drop(start(&journal, "r7k2", "api"));
    let (dir, id) = (journal.state_dir().to_owned(), RunId::new("r7k2"));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let lookers: Vec<_> = (0..2)
        .map(|_| {
            let (path, stop) = (dir.join("locks/r7k2.lock"), stop.clone());
            std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = crate::journal::lock::RunLock::look(&path).expect("looked");
                }
            })
        })
        .collect();
    for second in 0..20 {
        let run = journal.acquire(&id, &bob(), at(second)).map_err(|error| error.to_string());
        run.expect("nobody holds it").close("next", at(second)).expect("closed");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    lookers.into_iter().for_each(|looker| looker.join().expect("no panic"));
}

#[test]
fn a_process_whose_lock_file_was_removed_is_fenced_by_the_next() {
    let (_dir, journal) = state();
    let mut old = start(&journal, "r7k2", "api");
    old.check().expect("it is ours");
    std::fs::remove_file(journal.state_dir().join("locks/r7k2.lock")).expect("removed");
    let Err(Error::JournalWrite { why, .. }) = old.check() else { panic!("the lock is no more") };
    assert!(why.contains("r7k2.lock` was removed"), "{why}");

    let mut new = journal.acquire(&RunId::new("r7k2"), &bob(), at(1)).expect("nothing stands in the way");
    let late = old.append(at(2), vec![started(&step("api", "update"))]);
    assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");
    assert!(matches!(old.check(), Err(Error::Fenced { .. })));
    assert!(matches!(old.close("late", at(3)), Err(Error::Fenced { .. })));
    // The new one neither lost a number nor its lock.
    assert_eq!(new.append(at(4), vec![started(&step("api", "update"))]).expect("a record")[0].seq, 4);
    new.check().expect("it is ours");
}

/// What an error of a process that lost its run says.
fn fenced<T>(result: Result<T, Error>) -> (String, Option<String>) {
    let Err(Error::Fenced { by, why, .. }) = result.map(|_| ()) else { panic!("it still holds the run") };
    (by, why)
}

fn pid(user: &str) -> String {
    format!("{user}@bastion (pid {})", std::process::id())
}

#[test]
fn a_run_is_taken_from_a_process_that_keeps_its_lock() {
    let (_dir, journal) = state();
    let mut old = start(&journal, "r7k2", "api");
    let id = old.run().clone();
    let sentry = old.sentry().expect("a sentry");
    sentry.check().expect("it is ours");
    let from = journal.is_live(&id).expect("looked").expect("alice");
    let taken = journal.take_over(&id, &from, &bob(), "her laptop sleeps", at(60)).expect("taken");

    // While the new one still waits, the old one can do nothing and a third meets the new one.
    let by_bob = (pid("bob"), Some("her laptop sleeps".to_owned()));
    assert_eq!(fenced(old.check()), by_bob);
    assert_eq!(fenced(sentry.check()), by_bob);
    assert_eq!(fenced(old.append(at(61), vec![started(&step("api", "update"))])), by_bob);
    let Err(Error::RunHeld { holder, .. }) = journal.acquire(&id, &alice(), at(61)) else { panic!("it is held") };
    assert_eq!(holder, pid("bob"));
    assert_eq!(journal.view(&id).expect("a view").holder.map(|holder| (holder.actor, holder.fence)), Some((bob(), 2)));

    let mut new = taken.open(at(95)).expect("opened");
    new.check().expect("it is ours");
    assert_eq!(fenced(old.close("late", at(96))), by_bob);
    new.append(at(97), vec![started(&step("api", "update"))]).expect("it goes on");
    new.check().expect("what the old one did when it left touched nothing");
    let kinds: Vec<_> = journal
        .records(&id)
        .expect("records")
        .into_iter()
        .filter_map(|record| match record.body {
            RecordBody::TakenOver { from, by, reason } => Some((from.actor.user, by.actor.user, by.fence, reason, record.at)),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [("alice".to_owned(), "bob".to_owned(), 2, "her laptop sleeps".to_owned(), at(60))]);
}

#[test]
fn who_took_over_and_died_waiting_leaves_a_run_that_anybody_takes_up() {
    let (_dir, journal) = state();
    let mut old = start(&journal, "r7k2", "api");
    let id = old.run().clone();
    let from = journal.is_live(&id).expect("looked").expect("alice");
    drop(journal.take_over(&id, &from, &bob(), "hung", at(1)).expect("taken"));
    assert_eq!(journal.is_live(&id).expect("looked"), None, "the lock of the stopped one counts no more");
    let mut next = journal.acquire(&id, &bob(), at(2)).expect("taken up");
    assert_eq!(next.fence(), 3);
    next.check().expect("it is ours");
    assert_eq!(fenced(old.check()), (pid("bob"), None), "by who came last, who did not take it over");
}

#[test]
fn of_two_who_take_over_the_last_has_it() {
    let (_dir, journal) = state();
    let old = start(&journal, "r7k2", "api");
    let id = old.run().clone();
    let from = journal.is_live(&id).expect("looked").expect("alice");
    let first = journal.take_over(&id, &from, &bob(), "hung", at(1)).expect("taken");
    let from = journal.is_live(&id).expect("looked").expect("bob");
    let second = journal.take_over(&id, &from, &alice(), "bob hangs too", at(2)).expect("taken");
    assert_eq!(fenced(first.open(at(3))), (pid("alice"), Some("bob hangs too".to_owned())));
    second.open(at(4)).expect("opened").check().expect("it is ours");
    let left: Vec<_> = std::fs::read_dir(journal.state_dir().join("locks"))
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    assert_eq!(left, ["r7k2.lock"], "nothing else is left lying about");
}

#[test]
fn a_run_that_is_over_claims_its_services_for_who_takes_it_over() {
    let (_dir, journal) = state();
    let mut old = start(&journal, "r7k2", "api");
    let id = old.run().clone();
    old.append(at(1), vec![RecordBody::RunEnded { outcome: Outcome::Done, why: String::new() }]).expect("the end");
    let from = journal.is_live(&id).expect("looked").expect("alice");
    let taken = journal.take_over(&id, &from, &bob(), "hung", at(2)).expect("taken");
    let refused = journal.create(&plan("m4q9", "api"), &alice(), at(3), &[]).map(|_| ());
    assert!(matches!(refused, Err(Error::TargetTaken { .. })), "{refused:?}");
    taken.open(at(4)).expect("opened").check().expect("it is ours");
}

#[test]
fn a_service_belongs_to_one_unfinished_run() {
    let (_dir, journal) = state();
    let mut first = start(&journal, "r7k2", "api");
    let taken = journal.create(&plan("m4q9", "api"), &bob(), at(1), &[]);
    let Err(Error::TargetTaken { service, run, holder }) = taken.map(|_| ()) else { panic!("it is taken") };
    assert_eq!((service.as_str(), run.as_str()), ("api", "r7k2"));
    assert_eq!(holder, Some(format!("alice@bastion (pid {})", std::process::id())), "it is under way");
    assert!(journal.is_free(&RunId::new("m4q9")).expect("looked"), "nothing is left of the second");
    assert!(!journal.state_dir().join("locks/m4q9.lock").exists());

    // Not in the way: another service, endpoint, cluster, Region or account.
    type Edit = fn(&mut Plan);
    let elsewhere: [(&str, Edit); 5] = [
        ("a2", |plan| plan.target.services = vec!["web".into()]),
        ("a3", |plan| plan.target.endpoint = Some("http://localhost:4566".into())),
        ("a4", |plan| plan.target.cluster = "cluster-prod".into()),
        ("a5", |plan| plan.target.region = "eu-west-1".into()),
        ("a6", |plan| plan.target.account = "444455556666".into()),
    ];
    for (id, change) in elsewhere {
        let mut plan = plan(id, "api");
        change(&mut plan);
        drop(journal.create(&plan, &bob(), at(2), &[]).map_err(|error| error.to_string()).expect(id));
    }

    first.append(at(3), vec![RecordBody::RunEnded { outcome: Outcome::Done, why: String::new() }]).expect("the end");
    drop(start(&journal, "m4q9", "api"));
}

#[test]
fn a_dead_but_unfinished_run_keeps_its_services() {
    let (_dir, journal) = state();
    drop(start(&journal, "r7k2", "api"));
    let taken = journal.create(&plan("m4q9", "api"), &bob(), at(1), &[]).map(|_| ());
    assert!(matches!(taken, Err(Error::TargetTaken { .. })));
}

#[test]
fn a_finished_run_taken_up_again_claims_its_services_anew() {
    let (_dir, journal) = state();
    let id = RunId::new("r7k2");
    let mut run = start(&journal, "r7k2", "api");
    run.append(at(1), vec![RecordBody::RunEnded { outcome: Outcome::Done, why: String::new() }]).expect("the end");
    run.close("done", at(2)).expect("closed");

    let mut again = journal.acquire(&id, &alice(), at(3)).expect("taken up to go back");
    again.check().expect("it is ours");
    let taken = journal.create(&plan("m4q9", "api"), &bob(), at(4), &[]).map(|_| ());
    assert!(matches!(taken, Err(Error::TargetTaken { .. })));

    let mut back = plan("r7k2", "api");
    back.direction = Direction::Back;
    let adopted =
        RecordBody::PlanAdopted { plan: Box::new(back), why: Adoption::Rollback(crate::model::Extent::default()), by: alice() };
    again.append(at(5), vec![adopted]).expect("a rollback");
    again.check().expect("it is ours");
    assert_eq!(journal.find(None, true).expect("it is unfinished again"), id);
    again.append(at(6), vec![RecordBody::RunEnded { outcome: Outcome::RolledBack, why: String::new() }]).expect("the end");
    drop(start(&journal, "m4q9", "api"));
}

#[test]
fn a_finished_run_looked_at_and_left_gives_its_services_back() {
    let (_dir, journal) = state();
    let id = RunId::new("r7k2");
    let mut run = start(&journal, "r7k2", "api");
    run.append(at(1), vec![RecordBody::RunEnded { outcome: Outcome::Done, why: String::new() }]).expect("the end");
    drop(run);
    // Left in order, and left by a crash.
    journal.acquire(&id, &alice(), at(2)).expect("taken up").close("changed my mind", at(3)).expect("closed");
    drop(start(&journal, "m4q9", "api"));
    let mut second = journal.acquire(&RunId::new("m4q9"), &alice(), at(4)).expect("taken up");
    second.append(at(5), vec![RecordBody::RunEnded { outcome: Outcome::Done, why: String::new() }]).expect("the end");
    drop(second);
    drop(journal.acquire(&id, &alice(), at(6)).expect("taken up"));
    drop(start(&journal, "p3n8", "api"));
    let taken = journal.acquire(&id, &alice(), at(7)).map(|_| ());
    assert!(matches!(taken, Err(Error::TargetTaken { .. })), "another run has the service now");
}

#[test]
fn an_amendment_may_add_a_service_but_not_one_that_is_taken() {
    let (_dir, journal) = state();
    let mut run = start(&journal, "r7k2", "api");
    drop(start(&journal, "m4q9", "web"));
    let amended = |services: &[&str]| {
        let mut plan = plan("r7k2", "api");
        plan.target.services = services.iter().map(|service| (*service).to_owned()).collect();
        let why = Adoption::Amendment { changes: vec!["api_services".into()] };
        vec![RecordBody::PlanAdopted { plan: Box::new(plan), why, by: alice() }]
    };
    let refused = run.append(at(1), amended(&["api", "web"]));
    assert!(matches!(refused, Err(Error::TargetTaken { .. })), "{refused:?}");
    assert_eq!(run.view().epoch, 1);
    run.append(at(2), amended(&["api", "admin"])).expect("a new service");
    run.check().expect("it is ours");
    let taken = journal.create(&plan("p3n8", "admin"), &bob(), at(3), &[]).map(|_| ());
    assert!(matches!(taken, Err(Error::TargetTaken { .. })));
}

#[test]
fn a_plan_is_started_once() {
    let (_dir, journal) = state();
    drop(start(&journal, "r7k2", "api"));
    let again = journal.create(&plan("r7k2", "web"), &alice(), at(1), &[]).map(|_| ());
    assert!(matches!(again, Err(Error::NotApplicable { .. })), "{again:?}");
}

#[test]
fn an_id_that_leads_out_of_the_directory_is_none() {
    let (_dir, journal) = state();
    for id in ["../../x", "", "a/b", "a\0b", &"x".repeat(65)] {
        let refused = journal.create(&plan(id, "api"), &alice(), at(0), &[]).map(|_| ());
        assert!(matches!(refused, Err(Error::Usage { .. })), "{id:?}: {refused:?}");
    }
}
