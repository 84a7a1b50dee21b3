//! Makes a component of a core module, and insists that it imports nothing.
//!
//! `componentize MODULE COMPONENT`

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use wasmparser::{ComponentExternalKind, Parser, Payload};
use wit_component::ComponentEncoder;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [module, component] = &arguments[..] else {
        eprintln!("usage: componentize MODULE COMPONENT");
        return ExitCode::FAILURE;
    };
    let done = fs::read(module)
        .map_err(|error| at(module.display(), error))
        .and_then(|bytes| encode(&bytes))
        .and_then(|bytes| fs::write(component, bytes).map_err(|error| at(component.display(), error)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("componentize: {why}");
            ExitCode::FAILURE
        }
    }
}

fn at(place: impl Display, error: impl Display) -> String {
    format!("{place}: {error}")
}

/// The component that has this module, checked to be a valid one.
fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let encoder = ComponentEncoder::default().validate(true).module(module);
    let component = encoder.and_then(|mut encoder| encoder.encode()).map_err(|error| format!("{error:#}"))?;
    let (imports, exports) = border(&component).map_err(|error| error.to_string())?;
    println!("componentize: imports {}, exports {}", list(&imports), list(&exports));
    if imports.is_empty() { Ok(component) } else { Err(format!("it is to import nothing, not {}", list(&imports))) }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// The names that a component imports and exports.
fn border(component: &[u8]) -> wasmparser::Result<(Vec<String>, Vec<String>)> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Instance {
                        exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}
