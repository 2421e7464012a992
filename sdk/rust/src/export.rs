//! The one macro: turns a [`crate::Transform`] into a plugin's exports.

/// Exports a [`Transform`](crate::Transform) as the plugin of this crate.
#[macro_export]
macro_rules! export {
    ($transform:ty) => {
        const _: () = {
            use $crate::bindings::exports::millstream::plugin::plugin as world;

            ::std::thread_local! {
                static CONFIGURED: ::std::cell::RefCell<::std::option::Option<$crate::Configured<$transform>>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }

            #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
            struct Plugin;

            impl world::Guest for Plugin {
                fn describe() -> world::About {
                    $crate::panic::report();
                    $crate::plan::describe::<$transform>()
                }

                fn configure(
                    config: ::std::string::String,
                    inputs: ::std::vec::Vec<world::Input>,
                ) -> ::std::result::Result<world::Plan, ::std::vec::Vec<world::ConfigProblem>> {
                    $crate::panic::report();
                    let configured = $crate::configure::<$transform>(&config, &inputs)?;
                    let plan = configured.plan.clone();
                    CONFIGURED.set(::std::option::Option::Some(configured));
                    ::std::result::Result::Ok(plan)
                }

                fn process(_input: u32, batch: &world::Batch) -> ::std::result::Result<(), world::Error> {
                    CONFIGURED.with_borrow_mut(|configured| {
                        let configured = configured.as_mut().ok_or_else(|| {
                            world::Error::Fatal("process was called before configure".into())
                        })?;
                        $crate::run(&mut configured.transform, &configured.places, batch)
                    })
                }
            }

            // A native linker does not take the names of a component's exports.
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::export_world!(Plugin with_types_in $crate::bindings);
        };
    };
}
