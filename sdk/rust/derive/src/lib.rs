//! `#[derive(Row)]` and `#[derive(Record)]` of the Millstream SDK: from a struct to its projection, or to the
//! columns of an output. Parsing and expansion are plain functions over tokens; only this file knows the
//! compiler.

mod expand;
mod parse;

/// Makes a struct the projection of a transform. See the documentation of `millstream_sdk`.
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    match parse::Projection::parse(&input) {
        Ok(projection) => expand::expand(&projection).into(),
        Err(error) => error.into_compile_error().into(),
    }
}

/// Makes a struct the rows of an output. See the documentation of `millstream_sdk`.
#[proc_macro_derive(Record, attributes(row))]
pub fn derive_record(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    match parse::Projection::parse_record(&input) {
        Ok(projection) => expand::expand_record(&projection).into(),
        Err(error) => error.into_compile_error().into(),
    }
}

/// Binds what only worlds with state have, beside the bindings of `millstream_sdk`; for its `export_keyed!`.
#[proc_macro]
pub fn keyed_bindings(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand::keyed_bindings().into()
}
