//! The one macro: turns a [`crate::Transform`] or a [`crate::columnar::Columnar`] into a plugin's exports.

/// Exports a [`Transform`](crate::Transform) or a [`Columnar`](crate::columnar::Columnar) as the plugin of
/// this crate.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: () = {
            use $crate::bindings::exports::millstream::plugin::plugin as world;

            ::std::thread_local! {
                static READY: ::std::cell::RefCell<::std::option::Option<$crate::Ready>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }

            struct Exported;

            impl world::Guest for Exported {
                fn describe() -> world::About {
                    $crate::panic::report();
                    $crate::describe::<$plugin, _>()
                }

                fn configure(
                    config: ::std::string::String,
                    inputs: ::std::vec::Vec<world::Input>,
                ) -> ::std::result::Result<world::Plan, ::std::vec::Vec<world::ConfigProblem>> {
                    $crate::panic::report();
                    let configured = $crate::configure::<$plugin, _>(&config, &inputs)?;
                    let plan = configured.plan().clone();
                    READY.set(::std::option::Option::Some($crate::Ready::new(configured)));
                    ::std::result::Result::Ok(plan)
                }

                fn process(_input: u32, batch: &world::Batch) -> ::std::result::Result<(), world::Error> {
                    READY.with_borrow_mut(|ready| match ready {
                        ::std::option::Option::Some(ready) => ready.process(batch),
                        ::std::option::Option::None => ::std::result::Result::Err(world::Error::Fatal(
                            "process was called before configure".into(),
                        )),
                    })
                }
            }

            // A native linker does not take the names of a component's exports; what they are made of is in
            // use all the same.
            #[cfg(not(target_arch = "wasm32"))]
            const _: fn() -> world::About = <Exported as world::Guest>::describe;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::export_world!(Exported with_types_in $crate::bindings);
        };
    };
}
