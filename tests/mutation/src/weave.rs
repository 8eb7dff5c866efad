//! Many variants in one build.
//!
//! A build costs half a minute, a mutant's judgement a few seconds. So all variants are compiled at once: each function that
//! any of them changes begins with a choice among its bodies, by a number that the process is given in its environment.
//! (R. H. Untch and others call that a mutant schema.) A variant that changes more than bodies is built by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::functions::{Function, functions};
use crate::tree::Tree;
use crate::variant::Variant;

/// The variable with the number of the variant that is to run; without it the real services do.
pub(crate) const CHOICE: &str = "HALFOPEN_MUTANT";

/// What the root of each crate gets: the choice, read once.
const SWITCH: &str = r#"
#[doc(hidden)]
pub mod mutation_switch {
    static CHOSEN: std::sync::LazyLock<usize> = std::sync::LazyLock::new(|| {
        std::env::var("HALFOPEN_MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
    });
    #[inline]
    pub fn chosen() -> usize {
        *CHOSEN
    }
}
"#;

/// A function's body in a variant.
#[derive(Clone, Debug)]
struct Arm {
    variant: usize,
    body: String,
}

/// The variants that can be woven, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Weave {
    /// For each file the arms of each function, by its place among the functions of the file.
    arms: BTreeMap<PathBuf, BTreeMap<usize, Vec<Arm>>>,
    /// Which lines of the woven files belong to which variant.
    lines: BTreeMap<PathBuf, Vec<(RangeInclusive<usize>, usize)>>,
}

impl Weave {
    /// Weaves the variants that change nothing but bodies of functions; gives the others back.
    pub(crate) fn new(tree: &Tree, variants: &[Variant]) -> Result<(Self, Vec<usize>), Failure> {
        let mut weave = Self::default();
        let mut alone = Vec::new();
        for (number, variant) in variants.iter().enumerate() {
            match arms_of(tree, number, variant)? {
                Some(arms) => {
                    for (file, place, arm) in arms {
                        weave.arms.entry(file).or_default().entry(place).or_default().push(arm);
                    }
                }
                None => alone.push(number),
            }
        }
        Ok((weave, alone))
    }

    /// Takes a variant out that does not compile.
    pub(crate) fn drop_variant(&mut self, variant: usize) {
        for arms in self.arms.values_mut().flat_map(BTreeMap::values_mut) {
            arms.retain(|arm| arm.variant != variant);
        }
    }

    /// Writes the woven files.
    pub(crate) fn write(&mut self, tree: &Tree) -> Result<(), Failure> {
        self.lines.clear();
        for (file, of_file) in &self.arms {
            let text = tree.original(file)?;
            let (woven, lines) = woven(&text, &parsed(file, &text)?, of_file);
            tree.write(file, &woven)?;
            self.lines.insert(file.clone(), lines);
        }
        for root in self.crate_roots() {
            let text = tree.read(&root)?;
            if !text.contains("pub mod mutation_switch") {
                tree.write(&root, &format!("{text}{SWITCH}"))?;
            }
        }
        Ok(())
    }

    /// The `lib.rs` of each crate that has a woven file.
    fn crate_roots(&self) -> Vec<PathBuf> {
        let mut roots: Vec<PathBuf> =
            self.arms.keys().map(|file| file.iter().take(3).collect::<PathBuf>().join("lib.rs")).collect();
        roots.dedup();
        roots
    }

    /// The variant that a line of a woven file belongs to.
    pub(crate) fn variant_at(&self, file: &Path, line: usize) -> Option<usize> {
        let lines = self.lines.get(file)?;
        lines.iter().find(|(range, _)| range.contains(&line)).map(|(_, variant)| *variant)
    }
}

type ArmOfFile = (PathBuf, usize, Arm);

/// The bodies that a variant changes; `None` if it changes anything else.
fn arms_of(tree: &Tree, number: usize, variant: &Variant) -> Result<Option<Vec<ArmOfFile>>, Failure> {
    let mut arms = Vec::new();
    for (file, changed) in &variant.files {
        let text = tree.original(file)?;
        let (before, Ok(after)) = (parsed(file, &text)?, functions(changed)) else { return Ok(None) };
        let same = before.len() == after.len() && before.iter().zip(&after).all(|(before, after)| before.is(after));
        if !same || !imports_no_more(&without_bodies(&text, &before), &without_bodies(changed, &after)) {
            return Ok(None);
        }
        for (place, (before, after)) in before.iter().zip(&after).enumerate() {
            let body = &changed[after.body.clone()];
            if text[before.body.clone()] == *body {
                continue;
            }
            if !before.can_return {
                return Ok(None);
            }
            arms.push((file.clone(), place, Arm { variant: number, body: body.to_owned() }));
        }
    }
    Ok(Some(arms))
}

fn parsed(file: &Path, text: &str) -> Result<Vec<Function>, Failure> {
    functions(text).map_err(|error| Failure(format!("read {}: {error}", file.display())))
}

fn without_bodies(text: &str, functions: &[Function]) -> String {
    let mut rest = String::new();
    let mut copied = 0;
    for function in functions {
        rest.push_str(&text[copied..function.body.start]);
        copied = function.body.end;
    }
    rest.push_str(&text[copied..]);
    rest
}

/// Whether what is outside of the bodies is the same but for imports, and the second text imports no name that the first does
/// not: an import that is not used any more may stay.
fn imports_no_more(before: &str, after: &str) -> bool {
    let is_import = |line: &&str| line.starts_with("use ");
    let rest =
        |text: &str| text.lines().filter(|line| !is_import(line) && !line.is_empty()).collect::<Vec<_>>().join("\n");
    let imported = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(is_import);
        lines.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).map(str::to_owned).collect()
    };
    rest(before) == rest(after) && imported(after).is_subset(&imported(before))
}

/// A file with its arms, and the lines of each.
fn woven(
    text: &str,
    functions: &[Function],
    arms: &BTreeMap<usize, Vec<Arm>>,
) -> (String, Vec<(RangeInclusive<usize>, usize)>) {
    let mut woven = String::new();
    let mut lines = Vec::new();
    let mut copied = 0;
    for (place, function) in functions.iter().enumerate() {
        let Some(arms) = arms.get(&place).filter(|arms| !arms.is_empty()) else { continue };
        let inside = function.body.start + 1;
        woven.push_str(&text[copied..inside]);
        woven.push_str("\nmatch crate::mutation_switch::chosen() {\n");
        for arm in arms {
            let first = woven.matches('\n').count() + 1;
            woven.push_str(&format!("{} => return {},\n", arm.variant, arm.body));
            lines.push((first..=woven.matches('\n').count(), arm.variant));
        }
        woven.push_str("_ => {}\n}\n");
        copied = inside;
    }
    woven.push_str(&text[copied..]);
    (woven, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_begins_with_a_choice_among_its_bodies_and_each_line_knows_its_variant() {
        let text = "fn one() -> u8 {\n    1\n}\nfn two() {}\n";
        let arms =
            vec![Arm { variant: 7, body: "{\n    2\n}".to_owned() }, Arm { variant: 9, body: "{ 3 }".to_owned() }];
        let (woven, lines) = woven(text, &functions(text).expect("it is Rust"), &BTreeMap::from([(0, arms)]));
        assert_eq!(
            woven,
            "fn one() -> u8 {\nmatch crate::mutation_switch::chosen() {\n7 => return {\n    2\n},\n9 => return { 3 },\n_ => {}\n}\n\n    \
             1\n}\nfn two() {}\n"
        );
        assert_eq!(lines, [(3..=5, 7), (6..=6, 9)]);
        functions(&woven).expect("it is Rust");
    }

    #[test]
    fn an_import_may_go_and_none_may_come() {
        let before = "use a::{b, c};\n\nstruct A;\n";
        assert!(imports_no_more(before, "use a::b;\nstruct A;\n"));
        assert!(!imports_no_more(before, "use a::{b, c, d};\n\nstruct A;\n"));
        assert!(!imports_no_more(before, "use a::{b, c};\n\nstruct B;\n"));
    }

    #[test]
    fn the_switch_reads_the_variable_that_the_command_sets() {
        assert!(SWITCH.contains(&format!("{CHOICE:?}")));
    }
}
