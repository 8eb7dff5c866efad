//! Where the bodies of the functions of a source file lie.

use std::ops::Range;

use syn::spanned::Spanned as _;
use syn::{Block, File, ImplItem, Item, ReturnType, Signature, TraitItem};

/// A function that is in no other function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// The text before its body, without the space around it: what tells it apart from the other functions of its scope.
    signature: String,
    /// The items around it.
    scope: String,
    /// The bytes of its body, braces included.
    pub(crate) body: Range<usize>,
    /// Whether an early return can stand for its body: not in a constant function, nor in one whose type is told by its body.
    pub(crate) can_return: bool,
}

impl Function {
    /// Whether the other is the same function, in a text in which bodies differ.
    pub(crate) fn is(&self, other: &Self) -> bool {
        (&self.signature, &self.scope) == (&other.signature, &other.scope)
    }
}

/// The functions of a source text, in their order.
///
/// # Errors
/// When it is not Rust.
pub(crate) fn functions(text: &str) -> Result<Vec<Function>, syn::Error> {
    let file: File = syn::parse_str(text)?;
    let mut found = Vec::new();
    in_items(&file.items, "", text, &mut found);
    Ok(found)
}

fn in_items(items: &[Item], scope: &str, text: &str, found: &mut Vec<Function>) {
    for item in items {
        match item {
            Item::Fn(function) => found.push(function_of(&function.sig, &function.block, scope, text)),
            Item::Impl(of) => {
                let inner = format!("{scope}/{}", before_brace(text, of.span().byte_range()));
                for item in &of.items {
                    if let ImplItem::Fn(function) = item {
                        found.push(function_of(&function.sig, &function.block, &inner, text));
                    }
                }
            }
            Item::Trait(of) => {
                let inner = format!("{scope}/{}", of.ident);
                for item in &of.items {
                    if let TraitItem::Fn(function) = item
                        && let Some(block) = &function.default
                    {
                        found.push(function_of(&function.sig, block, &inner, text));
                    }
                }
            }
            Item::Mod(of) => {
                let inner = format!("{scope}/{}", of.ident);
                if let Some((_, items)) = &of.content {
                    in_items(items, &inner, text, found);
                }
            }
            _ => {}
        }
    }
}

fn function_of(signature: &Signature, block: &Block, scope: &str, text: &str) -> Function {
    let body = block.span().byte_range();
    let start = signature.span().byte_range().start;
    let told_by_body = match &signature.output {
        ReturnType::Default => false,
        ReturnType::Type(_, output) => text[output.span().byte_range()].contains("impl "),
    };
    Function {
        signature: text[start..body.start].trim().to_owned(),
        scope: scope.to_owned(),
        body,
        can_return: signature.constness.is_none() && !told_by_body,
    }
}

/// An `impl` up to its first brace.
fn before_brace(text: &str, item: Range<usize>) -> String {
    let item = &text[item];
    item.split('{').next().unwrap_or(item).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "struct A;\nimpl A {\n    const fn one() -> u8 { 1 }\n    async fn two(&self) {}\n}\n\nmod inner {\n    \
                        fn three() -> impl Iterator<Item = u8> { fn four() {} std::iter::empty() }\n}\n";

    #[test]
    fn each_outermost_function_has_its_body_and_its_scope() {
        let found = functions(TEXT).expect("it is Rust");
        let bodies: Vec<_> = found.iter().map(|function| &TEXT[function.body.clone()]).collect();
        assert_eq!(bodies, ["{ 1 }", "{}", "{ fn four() {} std::iter::empty() }"]);
        assert_eq!(found.iter().map(|function| function.can_return).collect::<Vec<_>>(), [false, true, false]);
        let changed = functions(&TEXT.replace("{ 1 }", "{ 2 }")).expect("it is Rust");
        assert!(found[0].is(&changed[0]) && !found[0].is(&changed[1]));
    }
}
