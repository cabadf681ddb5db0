//! One suite for every store: what the port promises, sentence by sentence.
//!
//! A store joins with one line, which says how to make an empty one:
//!
//! ```text
//! millwork_store::conformance!(memory, Subject::new(Memory::new()));
//! ```

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

pub mod access;
pub mod claims;
pub mod commits;
pub mod deliveries;
pub mod due;
pub mod history;
pub mod jobs;
pub mod keys;
pub mod labels;
pub mod limits;
pub mod lists;
pub mod others;
pub mod rates;
pub mod registry;
pub mod retention;
pub mod triggers;
pub mod values;
pub mod vault;
pub mod versions;

pub(crate) mod sample;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::{Access, Registry, Store, Vault};

/// A store under test, and what has to live as long as it does.
pub struct Subject {
    /// The store, empty.
    pub store: Arc<dyn Store>,
    /// The same one.
    pub access: Arc<dyn Access>,
    /// The same one.
    pub registry: Arc<dyn Registry>,
    /// The same one.
    pub vault: Arc<dyn Vault>,
    _keep: Option<Box<dyn Any + Send + Sync>>,
}

impl Subject {
    /// A store that needs nothing else.
    pub fn new(store: impl Store + Access + Registry + Vault) -> Self {
        let store = Arc::new(store);
        Self {
            access: Arc::clone(&store) as Arc<dyn Access>,
            registry: Arc::clone(&store) as Arc<dyn Registry>,
            vault: Arc::clone(&store) as Arc<dyn Vault>,
            store,
            _keep: None,
        }
    }

    /// A store and, say, the directory that it lies in. The store is dropped first.
    pub fn keeping(
        store: impl Store + Access + Registry + Vault,
        keep: impl Any + Send + Sync,
    ) -> Self {
        Self {
            _keep: Some(Box::new(keep)),
            ..Self::new(store)
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

/// Makes a module with a test for each sentence of the port. The second argument makes a [`Subject`]; each test makes its own.
#[macro_export]
macro_rules! conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            $crate::conformance! { @ store $make;
                commits::a_run_is_created_and_its_journal_read_back,
                commits::a_journal_is_read_from_a_position_on,
                commits::a_journal_is_read_stretch_by_stretch,
                commits::a_stretch_of_large_records_is_short,
                commits::a_commit_goes_after_the_last_record,
                commits::a_place_that_is_taken_conflicts_and_nothing_of_the_commit_is_written,
                commits::a_gap_before_the_place_conflicts,
                commits::what_was_written_together_has_no_place_within,
                commits::a_run_that_exists_is_not_created_again,
                commits::a_run_that_does_not_exist_is_not_advanced,
                commits::a_commit_that_breaks_the_rules_of_its_form_conflicts,
                commits::commits_of_one_call_are_taken_in_their_order,
                commits::a_conflict_does_not_touch_the_other_commits_of_its_call,
                commits::a_call_without_commits_is_answered,
                commits::a_commit_that_got_through_conflicts_with_itself,
                commits::of_many_writers_exactly_one_takes_each_place,
                commits::a_record_of_a_mebibyte_is_kept,
                commits::records_keep_every_character,
                keys::a_key_makes_one_run,
                keys::a_replay_tells_the_fingerprint_of_the_first_request,
                keys::a_key_counts_within_its_workflow,
                keys::an_expired_key_is_given_to_the_new_run,
                keys::a_key_is_not_taken_by_a_commit_that_conflicts,
                keys::a_run_that_exists_conflicts_also_where_its_own_key_made_it,
                keys::two_commits_of_one_call_with_the_same_key_make_one_run,
                keys::of_many_writers_exactly_one_takes_a_key,
                lists::a_row_tells_what_was_committed_last,
                lists::the_newest_come_first_unless_asked_otherwise,
                lists::pages_follow_each_other_without_gap_or_overlap,
                lists::a_list_is_filtered_by_workflow_and_status,
                lists::a_status_named_twice_is_listed_once,
                lists::bounds_of_time_are_exact_to_the_microsecond,
                lists::a_list_of_nothing_is_empty,
                lists::unfinished_runs_are_counted,
                lists::counts_follow_every_change,
                lists::runs_are_counted_over_time,
                due::the_soonest_come_first_and_ties_go_by_run,
                due::only_what_is_due_before_the_bound_is_listed,
                due::pages_of_due_runs_follow_each_other,
                due::a_run_moves_when_it_is_due_at_another_time,
                due::a_run_with_nothing_to_do_is_not_listed,
                claims::what_is_claimed_is_due_later,
                claims::no_more_are_claimed_than_were_asked_for,
                claims::named_runs_are_claimed_where_they_are_due,
                claims::a_claim_is_renewed_by_who_has_it,
                claims::finished_runs_are_settled_and_others_are_not,
                claims::a_finished_run_with_something_left_to_do_is_not_removed,
                claims::of_many_claimers_each_run_goes_to_one,
                versions::the_newest_version_of_a_workflow_is_found,
                versions::a_version_never_changes_and_comes_after_the_newest,
                versions::of_many_writers_exactly_one_adds_each_version,
                versions::a_run_of_the_newest_version_is_of_the_newest_version,
                versions::a_key_is_not_taken_by_a_run_of_an_outdated_version,
                versions::runs_and_versions_that_race_are_never_of_the_wrong_one,
                versions::workflows_are_listed_and_searched,
                versions::an_archived_workflow_takes_no_runs_until_it_is_taken_back,
                versions::a_workflow_is_deleted_when_no_run_of_it_is_unfinished,
                versions::what_is_left_of_a_deleted_workflow_goes_with_its_last_run,
                others::a_plugin_is_kept_once,
                others::the_store_gives_a_sign_of_life,
                others::the_store_says_how_large_it_is,
                values::a_value_is_written_read_and_deleted,
                values::a_writer_who_expects_something_else_is_told_what_is_there,
                values::keys_do_not_touch_each_other,
                values::a_version_is_never_given_twice,
                values::of_racing_writers_none_is_lost,
                retention::old_runs_go_in_batches_the_first_finished_first,
                retention::runs_under_way_stay,
                retention::a_removed_run_leaves_nothing_behind,
                retention::expired_keys_are_forgotten_and_others_are_not,
                limits::a_slot_is_held_until_the_run_ends,
                limits::the_first_priority_is_let_in_first_and_then_who_waits_longest,
                limits::a_run_that_may_not_wait_is_refused_whole,
                limits::something_else_may_be_written_where_no_slot_is_free,
                limits::no_more_wait_than_may,
                limits::a_run_that_ends_while_it_waits_gives_up_its_place,
                limits::a_commit_that_conflicts_takes_no_slot,
                limits::keys_count_within_their_workflow,
                rates::a_rate_lets_so_many_begin_in_any_span,
                rates::who_gives_up_waiting_for_a_rate_lets_the_next_one_know,
                rates::a_run_takes_its_slot_first_and_holds_it_while_it_waits_for_its_rate,
                limits::what_the_newest_version_says_of_a_limit_holds,
                limits::who_is_outdone_by_newer_runs_is_listed,
                rates::rates_that_are_idle_are_forgotten,
                limits::a_run_that_waits_is_written_to_and_goes_on_waiting,
                limits::of_many_writers_no_more_are_in_than_may,
                limits::writers_of_many_keys_do_not_stand_in_each_others_way,
                triggers::triggers_are_kept_and_listed_with_the_newest_version,
                triggers::a_workflow_that_takes_no_runs_has_no_triggers,
                triggers::a_path_belongs_to_one_workflow,
                triggers::workflows_that_want_each_others_paths_at_once_are_answered,
                triggers::schedules_are_claimed_when_they_are_due,
                triggers::of_many_claimers_each_tick_goes_to_one,
                labels::runs_are_listed_by_their_labels,
                labels::labels_go_with_their_run,
                jobs::a_job_is_kept_listed_and_found,
                jobs::a_job_is_taken_on_when_it_is_due,
                jobs::only_who_took_a_job_on_last_notes_how_far_it_has_come,
                jobs::a_cancelled_job_stays_so,
                jobs::of_many_claimers_a_job_goes_to_one,
                deliveries::a_delivery_is_kept_when_its_run_is_settled,
                deliveries::deliveries_are_taken_on_when_they_are_due,
                deliveries::what_came_of_a_delivery_is_noted,
                deliveries::deliveries_are_listed_and_counted,
                deliveries::deliveries_are_sent_again,
                deliveries::old_deliveries_are_removed,
                deliveries::of_many_claimers_a_delivery_goes_to_one,
                history::random_histories_are_told_as_in_memory,
            }
            $crate::conformance! { @ access $make;
                access::a_token_is_kept_once_and_found,
                access::a_token_is_revoked_once_and_stays,
                access::tokens_and_entries_are_listed_in_pages,
                access::what_came_of_an_entry_is_noted_once,
            }
            $crate::conformance! { @ registry $make;
                registry::a_name_and_a_version_mean_what_was_installed_last,
                registry::a_decision_takes_the_place_of_the_one_before,
            }
            $crate::conformance! { @ vault $make;
                vault::a_secret_is_kept_replaced_and_removed,
            }
            $crate::conformance! { @@ $make;
                registry::a_run_that_is_pinned_to_a_plugin_is_found,
            }
        }
    };
    (@@ $make:expr; $($area:ident::$test:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let subject: $crate::conformance::Subject = $make;
                $crate::conformance::$area::$test(&subject).await;
            }
        )*
    };
    (@ $port:ident $make:expr; $($area:ident::$test:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let subject: $crate::conformance::Subject = $make;
                $crate::conformance::$area::$test(&*subject.$port).await;
            }
        )*
    };
}
