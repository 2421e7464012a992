//! What wit-bindgen makes of world `transform-with-http`; a plugin that does not call `http`
//! does not import it. Nothing is written by hand here.

wit_bindgen::generate!({
    path: "wit",
    world: "transform-with-http",
    generate_all,
    additional_derives: [PartialEq],
    pub_export_macro: true,
    export_macro_name: "export_world",
    default_bindings_module: "millstream_sdk::bindings",
});
