//! What comes of the list of dialects: the enums that have a variant for each, and the way from a
//! value to the dialect that it belongs to.
//!
//! A variant is called as its dialect's type is. Dispatch is static, and there is no arm for "all
//! others": what a dialect has none of is an uninhabited type.

/// Makes all that is made of the list: [`Dialects`](super::Dialects), [`Route`](super::Route),
/// [`Pending`](super::Pending), [`Client`](super::Client), [`Undo`](super::Undo),
/// [`Encoding`](super::Encoding), [`LogView`](super::LogView), [`Rendering`](super::Rendering), and
/// the macro `dispatch`.
///
/// The order is that in which a path is offered to them; what nobody takes is `nowhere`'s.
macro_rules! dialects {
    ($($(#[$when:meta])* $name:ident: $Dialect:ident),+ $(,)?) => {
        $($(#[$when])* use $name::$Dialect;)+

        dialects! { @values $($(#[$when])* $name: $Dialect,)+ nowhere: Nowhere, }

        /// All dialects as configured, shared by the connections of one shard.
        #[derive(Debug)]
        pub struct Dialects {
            $($(#[$when])* $name: $Dialect,)+
            nowhere: Nowhere,
        }

        impl Dialects {
            /// All dialects, as configured.
            pub fn new(parts: &Parts<'_>) -> Self {
                Self {
                    $($(#[$when])* $name: <$Dialect as Dialect>::of(parts),)+
                    nowhere: <Nowhere as Dialect>::of(parts),
                }
            }

            /// The dialect that a path belongs to, and what the path names there.
            pub fn route<'b>(&self, path: &'b str) -> Route<'b> {
                $($(#[$when])* {
                    if let Some(route) = Dialect::route(&self.$name, path) {
                        return Route::$Dialect(route);
                    }
                })+
                Route::Nowhere(nowhere::Route::of(path))
            }

            /// How the node reports, if it is to.
            pub fn reporting(&self) -> Option<Reporting> {
                $($(#[$when])* {
                    if let Some(reporting) = Dialect::reporting(&self.$name) {
                        return Some(reporting);
                    }
                })+
                None
            }
        }

        impl Encoding {
            /// The number of encodings of each dialect, in order.
            const COUNTS: &[usize] = &[
                $($(#[$when])* <<$Dialect as Dialect>::Encoding as EventEncoding>::COUNT,)+
            ];

            /// The number of encodings.
            pub const COUNT: usize = sum(Self::COUNTS, Self::COUNTS.len());
        }

        /// Places in the list.
        #[derive(Clone, Copy, Debug)]
        enum Place {
            $($(#[$when])* $Dialect,)+
            Nowhere,
        }
    };

    // The values, and the one way to whom they belong.
    (@values $($(#[$when:meta])* $name:ident: $Dialect:ident,)+) => {
        /// The dialect that a path belongs to, and what the path names there. Borrows the request's
        /// target.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Route<'b> {
            $(
                $(#[$when])*
                #[doc = concat!("A path of `", stringify!($name), "`.")]
                $Dialect(<$Dialect as Dialect>::Route<'b>),
            )+
        }

        /// A request that waits for the hub's answer.
        #[derive(Debug)]
        pub enum Pending {
            $(
                $(#[$when])*
                #[doc = concat!("A request of `", stringify!($name), "`.")]
                $Dialect(<$Dialect as Dialect>::Pending),
            )+
        }

        /// One client of a dialect, from its handshake on.
        #[derive(Debug)]
        pub enum Client {
            $(
                $(#[$when])*
                #[doc = concat!("A client of `", stringify!($name), "`.")]
                $Dialect(<$Dialect as Dialect>::Client),
            )+
        }

        /// What a refused change of subscriptions leaves to do.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Undo {
            /// Nothing: the change takes away.
            Nothing,
            /// To send away a client that has just come.
            Opening,
            $(
                $(#[$when])*
                #[doc = concat!("To refuse a request of `", stringify!($name), "`.")]
                $Dialect(<$Dialect as Dialect>::Undo),
            )+
        }

        /// How events of a live subscription are written.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Encoding {
            $(
                $(#[$when])*
                #[doc = concat!("An encoding of `", stringify!($name), "`.")]
                $Dialect(<$Dialect as Dialect>::Encoding),
            )+
        }

        /// What of a log a client is shown, and how. Two that are equal are shown the same bytes.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum LogView {
            $(
                $(#[$when])*
                #[doc = concat!("A view of `", stringify!($name), "`.")]
                $Dialect(<$Dialect as Dialect>::View),
            )+
        }

        /// The renderings of one event that several encodings share.
        #[derive(Debug, Default)]
        pub struct Rendering {
            $($(#[$when])* $name: <$Dialect as Dialect>::Rendering,)+
        }

        impl Encoding {
            /// A number of its own, below [`COUNT`](Self::COUNT).
            #[inline]
            pub fn index(self) -> usize {
                match self {
                    $($(#[$when])* Self::$Dialect(encoding) => {
                        encoding.index() + const { sum(Self::COUNTS, Place::$Dialect as usize) }
                    })+
                }
            }
        }

        impl Client {
            /// How this client's events are written, where messages travel in `envelope`. `None` if
            /// it never subscribes, but reads a log.
            pub fn encoding(&self, envelope: Envelope) -> Option<Encoding> {
                match self {
                    $($(#[$when])* Self::$Dialect(client) => {
                        <$Dialect as Dialect>::encoding(client, envelope).map(Encoding::$Dialect)
                    })+
                }
            }
        }

        impl Client {
            /// What it wants of the log that it reads, where messages travel in `envelope`; `None`
            /// is server-sent events.
            pub fn wants(&self, envelope: Option<Envelope>) -> Wants<LogView> {
                match self {
                    $($(#[$when])* Self::$Dialect(client) => {
                        match <$Dialect as Dialect>::wants(client, envelope) {
                            Wants::Waits => Wants::Waits,
                            Wants::Nothing => Wants::Nothing,
                            Wants::Shown(view) => Wants::Shown(LogView::$Dialect(view)),
                        }
                    })+
                }
            }
        }

        impl Dialects {
            /// Appends an event as one frame. `rendering` is kept between calls for the same event.
            pub fn encode_event(
                &self,
                encoding: Encoding,
                event: &$crate::hub::Event,
                rendering: &mut Rendering,
                out: &mut bytes::BytesMut,
            ) {
                match encoding {
                    $($(#[$when])* Encoding::$Dialect(encoding) => {
                        Dialect::encode_event(&self.$name, encoding, event, &mut rendering.$name, out);
                    })+
                }
            }
        }

        /// Finds the dialect of a value and evaluates an expression with both.
        ///
        /// * `dispatch!(self, Enum, value, |dialect, inner| …)`: with the dialect itself, of
        ///   [`Dialects`];
        /// * `dispatch!(Enum, value, |D, inner| …)`: with its type;
        /// * `dispatch!(self, Enum, value, Other, other, |dialect, inner, other| …, else …)`: with
        ///   a second value, which should be of the same dialect.
        macro_rules! dispatch {
            ($self:tt, $Enum:ident, $value:expr, |$dialect:ident, $inner:pat_param| $work:expr) => {{
                #[allow(unreachable_patterns, reason = "some dialects have no such value")]
                match $value {
                    $($(#[$when])* $Enum::$Dialect($inner) => {
                        let $dialect = &$self.$name;
                        $work
                    })+
                }
            }};
            ($Enum:ident, $value:expr, |$Type:ident, $inner:pat_param| $work:expr) => {
                match $value {
                    $($(#[$when])* $Enum::$Dialect($inner) => {
                        type $Type = $crate::dialect::$name::$Dialect;
                        $work
                    })+
                }
            };
            (
                $self:tt, $Enum:ident, $value:expr, $Other:ident, $second:expr,
                |$dialect:ident, $inner:pat_param, $other:pat_param| $work:expr, else $foreign:expr
            ) => {{
                match $value {
                    $($(#[$when])* $Enum::$Dialect($inner) => {
                        #[allow(unreachable_patterns, reason = "some dialects have no such value")]
                        if let $Other::$Dialect($other) = $second {
                            let $dialect = &$self.$name;
                            $work
                        } else {
                            $foreign
                        }
                    })+
                }
            }};
        }
    };
}

pub(super) use dialects;
