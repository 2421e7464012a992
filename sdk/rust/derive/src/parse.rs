//! From a struct to its projection: the columns that are read and written, or errors that point at
//! the field.

use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, GenericParam, Ident, Lifetime, LitStr, Type};

/// How a field takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Read and written back.
    ReadWrite,
    /// Written, not read.
    New,
    /// Read, and taken out of the stream.
    Drop,
}

/// One field of the struct.
pub struct Column {
    pub field: Ident,
    pub name: String,
    pub ty: Type,
    pub access: Access,
    /// The stream may lack the column.
    pub optional: bool,
    /// State is keyed by it.
    pub key: bool,
}

impl Column {
    pub fn is_read(&self) -> bool {
        self.access != Access::New
    }

    pub fn is_written(&self) -> bool {
        matches!(self.access, Access::ReadWrite | Access::New)
    }

    pub fn is_dropped(&self) -> bool {
        self.access == Access::Drop
    }
}

/// The struct.
pub struct Projection {
    pub name: Ident,
    pub lifetime: Option<Lifetime>,
    pub columns: Vec<Column>,
}

impl Projection {
    /// Reads the struct and its `#[row(..)]` attributes.
    pub fn parse(input: &DeriveInput) -> syn::Result<Self> {
        let Data::Struct(data) = &input.data else {
            return Err(Error::new(input.ident.span(), "a row is a struct: each field is a column"));
        };
        let Fields::Named(fields) = &data.fields else {
            return Err(Error::new(
                input.ident.span(),
                "the fields of a row need names: they name the columns",
            ));
        };
        let camel_case = parse_container(&input.attrs)?;
        let columns: Vec<_> =
            fields.named.iter().map(|field| parse_field(field, camel_case)).collect::<syn::Result<_>>()?;
        refuse_twins(&columns, "read", Column::is_read)?;
        refuse_twins(&columns, "written or dropped", |column| column.is_written() || column.is_dropped())?;
        Ok(Self { name: input.ident.clone(), lifetime: parse_lifetime(input)?, columns })
    }
}

impl Projection {
    /// Reads a struct all of whose fields are written.
    pub fn parse_record(input: &DeriveInput) -> syn::Result<Self> {
        let mut projection = Self::parse(input)?;
        for column in &mut projection.columns {
            if column.access != Access::Read || column.optional || column.key || column.name.starts_with('_')
            {
                let message = "every field of a record is a column that is written: it knows `name = \"..\"` only, \
                               and names that begin with an underscore are the host's";
                return Err(Error::new(column.field.span(), message));
            }
            column.access = Access::New;
        }
        Ok(projection)
    }
}

fn parse_lifetime(input: &DeriveInput) -> syn::Result<Option<Lifetime>> {
    let message = "a row has at most one parameter, the lifetime of the batch";
    let mut params = input.generics.params.iter();
    match (params.next(), params.next()) {
        (None, _) => Ok(None),
        (Some(GenericParam::Lifetime(only)), None) => Ok(Some(only.lifetime.clone())),
        _ => Err(Error::new(input.generics.span(), message)),
    }
}

fn parse_container(attributes: &[Attribute]) -> syn::Result<bool> {
    let mut camel_case = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("rename_all") {
                return Err(meta.error("unknown: a row knows `rename_all = \"camelCase\"`"));
            }
            let style: LitStr = meta.value()?.parse()?;
            camel_case = style.value() == "camelCase";
            if camel_case {
                Ok(())
            } else {
                Err(Error::new(style.span(), "columns are renamed to \"camelCase\" only"))
            }
        })?;
    }
    Ok(camel_case)
}

fn parse_field(field: &syn::Field, camel_case: bool) -> syn::Result<Column> {
    let ident = field.ident.clone().expect("the fields are named");
    let plain = ident.to_string();
    let plain = plain.trim_start_matches("r#");
    let mut name = if camel_case { to_camel_case(plain) } else { plain.to_owned() };
    let (mut access, mut optional, mut key) = (Access::Read, false, false);
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = meta.value()?.parse::<LitStr>()?.value();
                return Ok(());
            }
            if meta.path.is_ident("optional") {
                optional = true;
                return Ok(());
            }
            if meta.path.is_ident("key") {
                key = true;
                return Ok(());
            }
            let marked = parse_access(&meta)?;
            if access != Access::Read {
                return Err(meta.error(
                    "a field is one of `write` (read and written back), `new` (not read) and `drop` (read and taken out)",
                ));
            }
            access = marked;
            Ok(())
        })?;
    }
    if optional && access == Access::New {
        return Err(Error::new(ident.span(), "a `new` column is not read, so it cannot be `optional`"));
    }
    if optional && !is_option(&field.ty) {
        return Err(Error::new(
            ident.span(),
            "an `optional` column may not be there: make the field an `Option`",
        ));
    }
    if access != Access::Read && name.starts_with('_') {
        return Err(Error::new(
            ident.span(),
            "columns that begin with an underscore are the host's: they can only be read",
        ));
    }
    if key && (access == Access::New || is_option(&field.ty)) {
        return Err(Error::new(
            ident.span(),
            "every row has its key: read the column, and make the field no `Option`",
        ));
    }
    Ok(Column { field: ident, name, ty: field.ty.clone(), access, optional, key })
}

fn parse_access(meta: &ParseNestedMeta<'_>) -> syn::Result<Access> {
    let known = [("write", Access::ReadWrite), ("new", Access::New), ("drop", Access::Drop)];
    let found = known.into_iter().find(|(word, _)| meta.path.is_ident(word));
    found.map(|(_, access)| access).ok_or_else(|| {
        meta.error("unknown: a field knows `name = \"..\"`, `key`, `optional`, `write`, `new` and `drop`")
    })
}

/// By name: a derive sees no types.
fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}

fn refuse_twins(columns: &[Column], verb: &str, takes_part: fn(&Column) -> bool) -> syn::Result<()> {
    let taking_part: Vec<_> = columns.iter().filter(|column| takes_part(column)).collect();
    for (number, column) in taking_part.iter().enumerate() {
        if taking_part[..number].iter().any(|before| before.name == column.name) {
            let message = format!("column `{}` is {verb} by two fields", column.name);
            return Err(Error::new(column.field.span(), message));
        }
    }
    Ok(())
}

fn to_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: Result<&[(&str, Access)], &str>) {
        let parsed = Projection::parse(&syn::parse_str(source).unwrap());
        let parsed = parsed.map(|projection| {
            projection.columns.into_iter().map(|column| (column.name, column.access)).collect::<Vec<_>>()
        });
        let expect = expect.map(|columns| {
            columns.iter().map(|(name, access)| (name.to_string(), *access)).collect::<Vec<_>>()
        });
        assert_eq!(parsed.map_err(|error| error.to_string()), expect.map_err(str::to_owned), "{source}");
    }

    #[test]
    fn names_and_access() {
        use Access::{Drop, New, Read, ReadWrite};
        check("struct R { a: f64, #[row(write)] b: bool }", Ok(&[("a", Read), ("b", ReadWrite)]));
        check(r#"struct R<'a> { #[row(name = "a.b", new)] a: &'a str }"#, Ok(&[("a.b", New)]));
        check(
            r#"#[row(rename_all = "camelCase")] struct R { device_id: i32, r#type: i32 }"#,
            Ok(&[("deviceId", Read), ("type", Read)]),
        );
        check(
            r#"struct R { #[row(name = "t")] a: i32, #[row(name = "t", new)] b: i64 }"#,
            Ok(&[("t", Read), ("t", New)]),
        );
        check(
            "struct R { #[row(optional, write)] a: Option<f64>, #[row(drop)] b: i32 }",
            Ok(&[("a", ReadWrite), ("b", Drop)]),
        );
    }

    #[test]
    fn records_are_written() {
        let parse = |source: &str| Projection::parse_record(&syn::parse_str(source).unwrap());
        let record = parse("#[row(rename_all = \"camelCase\")] struct R { sent_at: i64 }").unwrap();
        assert!(record.columns[0].is_written() && !record.columns[0].is_read());
        assert_eq!(record.columns[0].name, "sentAt");
        for refused in ["#[row(write)] a", "#[row(new)] a", "#[row(drop)] a", "_offset"] {
            assert!(parse(&format!("struct R {{ {refused}: i64 }}")).is_err(), "{refused}");
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        check("enum R { A }", Err("a row is a struct: each field is a column"));
        check("struct R(f64);", Err("the fields of a row need names: they name the columns"));
        check("struct R<T> { a: T }", Err("a row has at most one parameter, the lifetime of the batch"));
        check(
            "struct R { #[row(wirte)] a: f64 }",
            Err("unknown: a field knows `name = \"..\"`, `key`, `optional`, `write`, `new` and `drop`"),
        );
        check(
            "struct R { #[row(write, new)] a: f64 }",
            Err(
                "a field is one of `write` (read and written back), `new` (not read) and `drop` (read and taken out)",
            ),
        );
        check(
            "struct R { #[row(optional)] a: f64 }",
            Err("an `optional` column may not be there: make the field an `Option`"),
        );
        check(
            "struct R { #[row(optional, new)] a: Option<f64> }",
            Err("a `new` column is not read, so it cannot be `optional`"),
        );
        check(
            "struct R { #[row(drop)] a: f64, #[row(new, name = \"a\")] b: f64 }",
            Err("column `a` is written or dropped by two fields"),
        );
        let no_key = "every row has its key: read the column, and make the field no `Option`";
        check("struct R { #[row(key)] a: Option<i64> }", Err(no_key));
        check("struct R { #[row(key, new)] a: i64 }", Err(no_key));
        check("struct R { a: f64, #[row(name = \"a\")] b: f64 }", Err("column `a` is read by two fields"));
        check(
            "struct R { #[row(new)] _offset: i64 }",
            Err("columns that begin with an underscore are the host's: they can only be read"),
        );
    }
}
