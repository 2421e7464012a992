//! What wit-bindgen makes of world `transform`. Nothing is written by hand here.

wit_bindgen::generate!({
    path: "../../wit",
    world: "transform",
    generate_all,
    additional_derives: [PartialEq],
    pub_export_macro: true,
    export_macro_name: "export_world",
    default_bindings_module: "millstream_sdk::bindings",
});
