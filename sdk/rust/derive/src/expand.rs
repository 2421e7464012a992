//! From a projection to the `Row` implementation.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Index, Lifetime};

use crate::parse::{Column, Projection};

/// The implementation of `millstream_sdk::Row`.
pub fn expand(projection: &Projection) -> TokenStream {
    let name = &projection.name;
    let (of, fixed) = match &projection.lifetime {
        Some(_) => (quote!(#name<'row>), quote!(#name<'static>)),
        None => (quote!(#name), quote!(#name)),
    };
    let types = types(projection);
    let reading = reading(projection);
    let writing = writing(projection);
    quote! {
        const _: () = {
            impl ::millstream_sdk::Row for #fixed {
                type Of<'row> = #of;
                #types
                #reading
                #writing
            }
        };
    }
}

fn read(projection: &Projection) -> Vec<&Column> {
    projection.columns.iter().filter(|column| column.is_read()).collect()
}

fn written(projection: &Projection) -> Vec<&Column> {
    projection.columns.iter().filter(|column| column.is_written()).collect()
}

/// `<Type as Value<'..>>` with the struct's lifetime replaced.
fn value(column: &Column, projection: &Projection, lifetime: &str) -> TokenStream {
    let ty = with_lifetime(column.ty.to_token_stream(), projection.lifetime.as_ref(), lifetime);
    let lifetime = Lifetime::new(lifetime, Span::call_site());
    quote_spanned!(column.ty.span()=> <#ty as ::millstream_sdk::Value<#lifetime>>)
}

fn types(projection: &Projection) -> TokenStream {
    let columns = read(projection).into_iter().map(|column| {
        let value = value(column, projection, "'static");
        if column.optional { quote!(::std::option::Option<#value::Column>) } else { quote!(#value::Column) }
    });
    let builders = written(projection).into_iter().map(|column| {
        let value = value(column, projection, "'static");
        quote!(#value::Builder)
    });
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
            batch: &impl ::millstream_sdk::batch::Batch,
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

fn writing(projection: &Projection) -> TokenStream {
    let columns = written(projection);
    let writes = columns.iter().map(|column| field(column, projection));
    let news = columns.iter().map(|column| {
        let value = value(column, projection, "'static");
        quote!(<#value::Builder as ::millstream_sdk::column::Builder>::new(rows))
    });
    let puts = columns.iter().enumerate().map(|(number, column)| {
        let (value, number, field) = (value(column, projection, "'row"), Index::from(number), &column.field);
        quote!(#value::put(row.#field, &mut builders.#number);)
    });
    let finishes = (0..columns.len()).map(|number| {
        let (index, number) = (Index::from(number), number as u32);
        quote!(::millstream_sdk::column::Builder::finish(builders.#index, batch, #number);)
    });
    quote! {
        fn writes() -> ::std::vec::Vec<::millstream_sdk::plan::Field> { ::std::vec![#(#writes),*] }
        fn builders(rows: usize) -> Self::Builders { (#(#news,)*) }
        #[inline(always)]
        fn put<'row>(row: Self::Of<'row>, builders: &mut Self::Builders) { #(#puts)* }
        fn finish(builders: Self::Builders, batch: &impl ::millstream_sdk::batch::Batch) { #(#finishes)* }
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
