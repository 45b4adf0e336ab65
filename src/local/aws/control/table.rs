//! One table for what may stand in a body, what counts where it is absent, and the words of `GET /_control`.

/// A member as `GET /_control` explains it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// As it is written.
    pub(super) name: &'static str,
    /// What stands beside it.
    pub(super) members: &'static [&'static str],
    /// What it means.
    pub(super) words: &'static str,
}

/// Declares a struct of members with their defaults and words, so that none of the three can be forgotten.
macro_rules! members {
    ($(#[$of_struct:meta])* $struct:ident {
        $($(#[$of_member:meta])* $name:ident: $kind:ty = $default:expr, $words:literal;)*
    }) => {
        $(#[$of_struct])*
        pub(crate) struct $struct {
            $($(#[$of_member])* pub(crate) $name: $kind,)*
        }

        impl Default for $struct {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $struct {
            /// Every member, in the order of the help.
            pub(super) const ROWS: &[$crate::local::aws::control::table::Row] = &[
                $($crate::local::aws::control::table::Row {
                    name: stringify!($name), members: &[], words: $words,
                },)*
            ];
        }
    };
}

pub(super) use members;
