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
pub trait Lend: Sized + 'static {
    /// What is lent.
    type Handle: Send + Sync + 'static;

    /// What the thread was lent of this kind.
    #[doc(hidden)]
    fn lent() -> &'static LocalKey<Remembered<Self::Handle>>;

    /// Makes sure that it is dropped when the thread ends; an error if it ends already.
    #[doc(hidden)]
    fn drop_at_the_end() -> Result<(), AccessError>;
}

/// Implements [`Lend`], for which each type needs thread locals of its own.
#[macro_export]
#[doc(hidden)]
macro_rules! lend {
    ($threads:ident: $of:ty) => {
        /// What each thread was lent of one kind.
        #[derive(Debug)]
        pub struct $threads;

        const _: () = {
            thread_local! {
                static LENT: $crate::internal::Remembered<$of> =
                    const { $crate::internal::Remembered::nothing() };
                static ENDING: $crate::internal::Ending<$threads> =
                    const { $crate::internal::Ending::NEW };
            }

            impl $crate::internal::Lend for $threads {
                type Handle = $of;

                #[inline]
                fn lent() -> &'static ::std::thread::LocalKey<$crate::internal::Remembered<$of>> {
                    &LENT
                }

                fn drop_at_the_end() -> ::std::result::Result<(), ::std::thread::AccessError> {
                    ENDING.try_with(|_| ())
                }
            }
        };
    };
}

/// The handles. A thread local that needs to be dropped costs each access a look whether
/// that has happened; so [`Ending`] drops them.
#[allow(missing_debug_implementations, reason = "holds weak handles only")]
pub struct Remembered<H>(RefCell<[ManuallyDrop<Lent<H>>; REMEMBERED]>);

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
    /// Nothing yet.
    #[must_use]
    pub const fn nothing() -> Self {
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
#[allow(missing_debug_implementations, reason = "has no state")]
pub struct Ending<L: Lend>(PhantomData<L>);

impl<L: Lend> Ending<L> {
    /// For a thread local.
    pub const NEW: Self = Self(PhantomData);
}

impl<L: Lend> Drop for Ending<L> {
    fn drop(&mut self) {
        L::lent().with(|lent| {
            if let Ok(mut lent) = lent.0.try_borrow_mut() {
                lent.iter_mut().for_each(forget);
            }
        });
    }
}

/// The handle that the thread was lent last, if it is to the publication of this version.
#[inline]
pub(super) fn last<L: Lend>(version: u64) -> Option<Arc<L::Handle>> {
    L::lent().with(|lent| {
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
pub(super) fn find<L: Lend>(version: u64) -> Option<Arc<L::Handle>> {
    L::lent().with(|lent| {
        let lent = lent.0.try_borrow().ok()?;
        let found = lent.iter().find(|lent| lent.version == version)?;
        found.handle.upgrade()
    })
}

/// Remembers a handle in place of one that is gone, or else of the oldest.
pub(super) fn remember<L: Lend>(version: u64, handle: &Arc<L::Handle>) {
    // A thread that is ending remembers nothing: nobody would drop it.
    if L::drop_at_the_end().is_err() {
        return;
    }
    L::lent().with(|lent| {
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
