//! Damaged pages: the database panics on some of them, where an error is wanted like that of any other damage.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use townmesh_crdt::store::StoreError;

thread_local! {
    /// While a store is read on this thread: where it panicked.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs what opens and reads a store. Whatever holds the store must be made and dropped by `job`: a store that panicked
/// is not to be used again.
///
/// # Errors
/// Those of the job; [`StoreError::Damaged`] where the database panicked.
pub(crate) fn contained<T, E: From<StoreError>>(job: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    quieten();
    PLACE.set(Some(String::new()));
    let outcome = catch_unwind(AssertUnwindSafe(job));
    let place = PLACE.take().unwrap_or_default();
    outcome.unwrap_or_else(|_| Err(StoreError::Damaged(format!("a page makes no sense ({place})")).into()))
}

/// A panic that becomes an error prints no trace; where it was goes into the error. All others print as before.
fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_contained = PLACE.with_borrow_mut(|place| match (place, panic.location()) {
                (Some(place), Some(location)) => {
                    let shown = location.to_string();
                    // Where the crates lie on the machine that built this says nothing.
                    *place = shown.rsplit_once("/index.crates.io-").map_or(shown.as_str(), |(_, path)| path).to_owned();
                    true
                }
                _ => false,
            });
            if !is_contained {
                before(panic);
            }
        }));
    });
}
