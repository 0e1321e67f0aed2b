//! The handles that a thread was lent last, by the version of their publication.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::sync::{Arc, Weak};
use std::thread::{AccessError, LocalKey};

/// Of how many stores of one kind a thread remembers its handle. One that reads more of
/// them in turn looks some up anew at each read, which takes a few times as long.
const REMEMBERED: usize = 8;

/// What threads are lent handles to.
pub(crate) trait Lend: Sized + Send + Sync + 'static {
    /// What the thread was lent of this kind.
    #[doc(hidden)]
    fn lent() -> &'static LocalKey<Remembered<Self>>;

    /// Makes sure that it is dropped when the thread ends; an error if it ends already.
    #[doc(hidden)]
    fn drop_at_the_end() -> Result<(), AccessError>;
}

/// Implements [`Lend`], for which each type needs thread locals of its own.
macro_rules! lend {
    ($of:ty) => {
        const _: () = {
            thread_local! {
                static LENT: $crate::domain::cache::lent::Remembered<$of> =
                    const { $crate::domain::cache::lent::Remembered::nothing() };
                static ENDING: $crate::domain::cache::lent::Ending<$of> =
                    const { $crate::domain::cache::lent::Ending::NEW };
            }

            impl $crate::domain::cache::lent::Lend for $of {
                #[inline]
                fn lent()
                -> &'static ::std::thread::LocalKey<$crate::domain::cache::lent::Remembered<Self>>
                {
                    &LENT
                }

                fn drop_at_the_end() -> ::std::result::Result<(), ::std::thread::AccessError> {
                    ENDING.try_with(|_| ())
                }
            }
        };
    };
}
pub(crate) use lend;

/// The handles. A thread local that needs to be dropped costs each access a look whether
/// that has happened; so [`Ending`] drops them.
pub(crate) struct Remembered<H>(RefCell<[ManuallyDrop<Lent<H>>; REMEMBERED]>);

struct Lent<H> {
    version: u64,
    handle: Weak<H>,
}

impl<H> Lent<H> {
    /// No publication has version nought.
    const NOTHING: Self = Self {
        version: 0,
        handle: Weak::new(),
    };
}

impl<H> Remembered<H> {
    pub(crate) const fn nothing() -> Self {
        Self(RefCell::new(
            [const { ManuallyDrop::new(Lent::NOTHING) }; REMEMBERED],
        ))
    }
}

fn forget<H>(lent: &mut ManuallyDrop<Lent<H>>) {
    let nothing = ManuallyDrop::new(Lent::NOTHING);
    drop(ManuallyDrop::into_inner(mem::replace(lent, nothing)));
}

/// Drops what is remembered, when the thread ends.
pub(crate) struct Ending<H: Lend>(PhantomData<H>);

impl<H: Lend> Ending<H> {
    pub(crate) const NEW: Self = Self(PhantomData);
}

impl<H: Lend> Drop for Ending<H> {
    fn drop(&mut self) {
        H::lent().with(|lent| {
            if let Ok(mut lent) = lent.0.try_borrow_mut() {
                lent.iter_mut().for_each(forget);
            }
        });
    }
}

/// The handle that the thread was lent last, if it is to the publication of this version.
#[inline]
pub(super) fn last<H: Lend>(version: u64) -> Option<Arc<H>> {
    H::lent().with(|lent| {
        let lent = lent.0.try_borrow().ok()?;
        let [last, ..] = &*lent;
        if last.version == version {
            last.handle.upgrade()
        } else {
            None
        }
    })
}

/// The thread's handle to the publication of this version, if it has one: for a thread that
/// reads several stores.
pub(super) fn find<H: Lend>(version: u64) -> Option<Arc<H>> {
    H::lent().with(|lent| {
        let lent = lent.0.try_borrow().ok()?;
        let found = lent.iter().find(|lent| lent.version == version)?;
        found.handle.upgrade()
    })
}

/// Remembers a handle in place of one that is gone, or else of the oldest.
pub(super) fn remember<H: Lend>(version: u64, handle: &Arc<H>) {
    // A thread that is ending remembers nothing: nobody would drop it.
    if H::drop_at_the_end().is_err() {
        return;
    }
    H::lent().with(|lent| {
        let Ok(mut lent) = lent.0.try_borrow_mut() else {
            return;
        };
        let place = (0..lent.len()).min_by_key(|&place| match lent[place].handle.strong_count() {
            0 => 0,
            _ => lent[place].version,
        });
        if let Some(place) = place {
            forget(&mut lent[place]);
            lent[place] = ManuallyDrop::new(Lent {
                version,
                handle: Arc::downgrade(handle),
            });
            // Where `last` looks.
            lent.swap(0, place);
        }
    });
}
