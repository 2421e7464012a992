//! The macro that turns a [`Keyed`](super::Keyed) or a [`KeyedJoin`](super::KeyedJoin) into a plugin's exports. What
//! only worlds with state have is bound in the plugin's own crate, so that other plugins carry none of it.

/// Exports a [`Keyed`](crate::keyed::Keyed) or a [`KeyedJoin`](crate::keyed::KeyedJoin) as the plugin of this crate.
#[macro_export]
macro_rules! export_keyed {
    ($plugin:ty) => {
        #[doc(hidden)]
        #[allow(missing_docs, unsafe_code, clippy::all)]
        mod millstream_keyed {
            $crate::keyed_bindings!();
        }

        const _: () = {
            use millstream_keyed::millstream::plugin::{clock, state, timers};
            use $crate::bindings::exports::millstream::plugin::plugin as world;
            use $crate::bindings::millstream::plugin::{batches, types};

            ::std::thread_local! {
                static READY: ::std::cell::RefCell<::std::option::Option<$crate::keyed::Ready>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }

            fn ready<T>(
                call: impl FnOnce(&mut $crate::keyed::Ready) -> ::std::result::Result<T, types::Error>,
            ) -> ::std::result::Result<T, types::Error> {
                READY.with_borrow_mut(|ready| match ready {
                    ::std::option::Option::Some(ready) => call(ready),
                    ::std::option::Option::None => {
                        ::std::result::Result::Err(types::Error::Fatal("a call came before configure".into()))
                    }
                })
            }

            struct Exported;

            impl world::Guest for Exported {
                fn describe() -> world::About {
                    $crate::panic::report();
                    $crate::keyed::describe::<$plugin, _>()
                }

                fn configure(
                    config: ::std::string::String,
                    inputs: ::std::vec::Vec<world::Input>,
                ) -> ::std::result::Result<world::Plan, ::std::vec::Vec<world::ConfigProblem>> {
                    $crate::panic::report();
                    let configured = $crate::keyed::configure::<$plugin, _>(&config, &inputs)?;
                    let plan = configured.plan().clone();
                    READY.set(::std::option::Option::Some($crate::keyed::Ready::new(configured)));
                    ::std::result::Result::Ok(plan)
                }

                fn process(input: u32, batch: &world::Batch) -> ::std::result::Result<(), world::Error> {
                    ready(|ready| ::std::result::Result::Ok(ready.process(input, batch, &Exported)))
                }
            }

            impl millstream_keyed::exports::millstream::plugin::timed::Guest for Exported {
                fn fire(
                    keys: types::Bytes,
                    micros: ::std::vec::Vec<i64>,
                ) -> ::std::result::Result<(), types::Error> {
                    ready(|ready| ready.fire(keys, &micros, &Exported))
                }
            }

            impl $crate::keyed::RawTask for Exported {
                fn watermark(&self) -> ::std::option::Option<i64> {
                    clock::watermark_micros()
                }
                fn get_many(&self, store: &str, keys: &types::Bytes) -> types::Bytes {
                    state::Store::new(store).get_many(keys)
                }
                fn put_many(&self, store: &str, keys: &types::Bytes, values: &types::Bytes) {
                    state::Store::new(store).put_many(keys, values);
                }
                fn set_timers(&self, keys: &types::Bytes, micros: &[i64]) {
                    timers::set_many(keys, micros);
                }
                fn cancel_timers(&self, keys: &types::Bytes, micros: &[i64]) {
                    timers::cancel_many(keys, micros);
                }
                fn emit_fired(
                    &self,
                    output: u32,
                    fired: ::std::vec::Vec<u32>,
                    write: $crate::batch::WriteColumns<'_>,
                ) {
                    let builder = batches::Builder::new(output, fired.len() as u32);
                    timers::attribute(&builder, &fired);
                    write(&builder);
                    batches::emit(builder);
                }
            }

            // A native linker does not take the names of a component's exports; what they are made of is in
            // use all the same.
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn() -> world::About = <Exported as world::Guest>::describe;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::export_world!(Exported with_types_in $crate::bindings);
            #[cfg(target_arch = "wasm32")]
    millstream_keyed::export_timed!(Exported with_types_in millstream_keyed);
        };
    };
}
