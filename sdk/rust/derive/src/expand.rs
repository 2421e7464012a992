//! From a projection to the `Row` implementation, or to that of `Record`, of a struct that is written only.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Index, Lifetime};

use crate::parse::{Column, Projection};

/// The struct with the lifetime `'row`, and with `'static`.
fn forms(projection: &Projection) -> (TokenStream, TokenStream) {
    let name = &projection.name;
    match &projection.lifetime {
        Some(_) => (quote!(#name<'row>), quote!(#name<'static>)),
        None => (quote!(#name), quote!(#name)),
    }
}

/// The implementation of `millstream_sdk::Record`.
pub fn expand_record(projection: &Projection) -> TokenStream {
    let (of, fixed) = forms(projection);
    let Writing { builders, fields, news, puts, finishes } = Writing::of(projection);
    quote! {
        #[allow(clippy::unused_unit)]
        const _: () = {
            impl ::millstream_sdk::Record for #fixed {
                type Of<'row> = #of;
                type Builders = (#(#builders,)*);
                fn fields() -> ::std::vec::Vec<::millstream_sdk::plan::Field> { ::std::vec![#(#fields),*] }
                fn builders(rows: usize) -> Self::Builders { (#(#news,)*) }
                #[inline(always)]
                fn put<'row>(row: Self::Of<'row>, builders: &mut Self::Builders) { #(#puts)* }
                fn finish(
                    builders: Self::Builders,
                    columns: &dyn ::millstream_sdk::batch::RawColumns,
                    first: u32,
                ) {
                    #(#finishes)*
                }
            }
        };
    }
}

/// The interface as text: the crate that these tokens are for does not know where the SDK lies.
const WIT: &str = include_str!("../../wit/millstream-plugin.wit");

/// Bindings of what only worlds with state have; types are those of the SDK's own bindings.
pub fn keyed_bindings() -> TokenStream {
    let world = "world keyed-part { import clock; import state; import timers; export timed; }";
    let wit = format!("{WIT}\n{world}");
    quote! {
        ::millstream_sdk::wit_bindgen::generate!({
            inline: #wit,
            path: [],
            world: "keyed-part",
            with: {
                "millstream:plugin/types@0.1.0": ::millstream_sdk::bindings::millstream::plugin::types,
                "millstream:plugin/batches@0.1.0": ::millstream_sdk::bindings::millstream::plugin::batches,
            },
            generate_all,
            runtime_path: "::millstream_sdk::wit_bindgen::rt",
            export_macro_name: "export_timed",
        });
    }
}

/// The implementation of `millstream_sdk::Row`.
pub fn expand(projection: &Projection) -> TokenStream {
    let (of, fixed) = forms(projection);
    let types = types(projection);
    let reading = reading(projection);
    let writing = writing(projection);
    let keyed = keyed(projection);
    quote! {
        #[allow(clippy::unused_unit)]
        const _: () = {
            impl ::millstream_sdk::Row for #fixed {
                type Of<'row> = #of;
                #types
                #reading
                #writing
            }
            #keyed
        };
    }
}

fn read(projection: &Projection) -> Vec<&Column> {
    projection.columns.iter().filter(|column| column.is_read()).collect()
}

/// `<Type as Value<'..>>` with the struct's lifetime replaced.
fn value(column: &Column, projection: &Projection, lifetime: &str) -> TokenStream {
    let ty = with_lifetime(column.ty.to_token_stream(), projection.lifetime.as_ref(), lifetime);
    let lifetime = Lifetime::new(lifetime, Span::call_site());
    quote_spanned!(column.ty.span()=> <#ty as ::millstream_sdk::Value<#lifetime>>)
}

/// True if the type names the struct's lifetime.
fn borrows(column: &Column, projection: &Projection) -> bool {
    let tokens = column.ty.to_token_stream();
    with_lifetime(tokens.clone(), projection.lifetime.as_ref(), "'row").to_string() != tokens.to_string()
}

fn types(projection: &Projection) -> TokenStream {
    let columns = read(projection).into_iter().map(|column| {
        let value = value(column, projection, "'static");
        if column.optional { quote!(::std::option::Option<#value::Column>) } else { quote!(#value::Column) }
    });
    let builders = Writing::of(projection).builders;
    quote! {
        type Columns = (#(#columns,)*);
        type Builders = (#(#builders,)*);
    }
}

fn field(column: &Column, projection: &Projection) -> TokenStream {
    let value = value(column, projection, "'static");
    let name = &column.name;
    quote!(::millstream_sdk::plan::Field { name: #name.into(), ty: #value::TYPE, nullable: #value::NULLABLE })
}

fn reading(projection: &Projection) -> TokenStream {
    let columns = read(projection);
    let reads = columns.iter().map(|column| {
        let (field, optional, dropped) = (field(column, projection), column.optional, column.is_dropped());
        quote!(::millstream_sdk::plan::Read { field: #field, optional: #optional, dropped: #dropped })
    });
    let opens = columns.iter().enumerate().map(|(number, column)| {
        let value = value(column, projection, "'static");
        let open = if column.optional { quote!(open_optional) } else { quote!(open) };
        quote!(places.#open::<#value::Column>(batch, #number))
    });
    let mut next = 0..columns.len();
    let inits = projection.columns.iter().map(|column| {
        let field = &column.field;
        match column.is_read().then(|| next.next()).flatten() {
            Some(number) => {
                let (value, number) = (value(column, projection, "'row"), Index::from(number));
                if column.optional {
                    quote!(#field: columns.#number.as_ref().and_then(|column| #value::get(column, row)))
                } else {
                    quote!(#field: #value::get(&columns.#number, row))
                }
            }
            None => quote!(#field: ::std::default::Default::default()),
        }
    });
    let name = &projection.name;
    quote! {
        fn reads() -> ::std::vec::Vec<::millstream_sdk::plan::Read> { ::std::vec![#(#reads),*] }
        fn open(
            batch: &dyn ::millstream_sdk::batch::RawBatch,
            places: &::millstream_sdk::plan::Places,
        ) -> Self::Columns {
            (#(#opens,)*)
        }
        #[inline(always)]
        fn get<'row>(columns: &'row Self::Columns, row: usize) -> Self::Of<'row> {
            #name { #(#inits),* }
        }
    }
}

/// The implementation of `millstream_sdk::keyed::KeyedRow`, if some columns make a key.
fn keyed(projection: &Projection) -> Option<TokenStream> {
    let read = read(projection).into_iter().enumerate();
    let parts: Vec<_> = read.filter(|(_, column)| column.key).collect();
    let names = parts.iter().map(|(_, column)| &column.name);
    let types = parts
        .iter()
        .map(|(_, column)| with_lifetime(column.ty.to_token_stream(), projection.lifetime.as_ref(), "'row"));
    let gets = parts.iter().map(|(number, column)| {
        let (value, number) = (value(column, projection, "'row"), Index::from(*number));
        quote!(#value::get(&columns.#number, row))
    });
    let fields = parts.iter().map(|(_, column)| &column.field);
    let ((of, fixed), names) = (forms(projection), names.collect::<Vec<_>>());
    (!parts.is_empty()).then(|| {
        quote! {
            #[allow(unused_parens)]
            impl ::millstream_sdk::keyed::KeyedRow for #fixed {
                type Key<'row> = (#(#types),*);
                const KEY: &'static [&'static str] = &[#(#names),*];
                fn key<'row>(columns: &'row Self::Columns, row: usize) -> Self::Key<'row> { (#(#gets),*) }
            }
            // A field that makes the key is in use, whether or not the author looks at it.
            #[allow(dead_code)]
            fn key_fields<'row>(row: &#of) { #(let _ = &row.#fields;)* }
        }
    })
}

/// What is done to each column that is written.
struct Writing {
    builders: Vec<TokenStream>,
    fields: Vec<TokenStream>,
    news: Vec<TokenStream>,
    puts: Vec<TokenStream>,
    /// With `first`, the number of the first column, in scope.
    finishes: Vec<TokenStream>,
}

impl Writing {
    fn of(projection: &Projection) -> Self {
        let mut parts =
            Self { builders: vec![], fields: vec![], news: vec![], puts: vec![], finishes: vec![] };
        let columns = projection.columns.iter().filter(|column| column.is_written());
        for (number, column) in columns.enumerate() {
            let fixed = value(column, projection, "'static");
            // A type that does not borrow from the row may hold what lives longer, as a `&'static str`.
            let value =
                if borrows(column, projection) { value(column, projection, "'row") } else { fixed.clone() };
            let (index, number, name) = (Index::from(number), number as u32, &column.field);
            parts.fields.push(field(column, projection));
            parts.builders.push(quote!(#fixed::Builder));
            parts.news.push(quote!(<#fixed::Builder as ::millstream_sdk::column::Builder>::new(rows)));
            parts.puts.push(quote!(#value::put(row.#name, &mut builders.#index);));
            parts.finishes.push(quote! {
                ::millstream_sdk::column::write(builders.#index, columns, first + #number);
            });
        }
        parts
    }
}

fn writing(projection: &Projection) -> TokenStream {
    let Writing { fields, news, puts, finishes, .. } = Writing::of(projection);
    quote! {
        fn writes() -> ::std::vec::Vec<::millstream_sdk::plan::Field> { ::std::vec![#(#fields),*] }
        fn builders(rows: usize) -> Self::Builders { (#(#news,)*) }
        #[inline(always)]
        fn put<'row>(row: Self::Of<'row>, builders: &mut Self::Builders) { #(#puts)* }
        fn finish(builders: Self::Builders, columns: &dyn ::millstream_sdk::batch::RawColumns) {
            let first = 0;
            #(#finishes)*
        }
    }
}

/// Replaces one lifetime by another. In tokens a lifetime is an apostrophe and a name.
fn with_lifetime(tokens: TokenStream, from: Option<&Lifetime>, to: &str) -> TokenStream {
    let Some(from) = from else { return tokens };
    let mut after_apostrophe = false;
    let replace = |token: TokenTree| {
        let in_lifetime = std::mem::replace(
            &mut after_apostrophe,
            matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\''),
        );
        match token {
            TokenTree::Ident(ident) if in_lifetime && ident == from.ident => {
                Ident::new(&to[1..], ident.span()).into()
            }
            TokenTree::Group(group) => {
                let inner = with_lifetime(group.stream(), Some(from), to);
                let mut replaced = Group::new(group.delimiter(), inner);
                replaced.set_span(group.span());
                replaced.into()
            }
            other => other,
        }
    };
    tokens.into_iter().map(replace).collect()
}
