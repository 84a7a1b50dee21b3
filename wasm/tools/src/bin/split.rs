//! Cuts a module in two: what is called from the beginning, and the rest, which is loaded at the first call of any of it.
//!
//! `split count MODULE RESULT` makes a module that notes which of its functions are called: each sets a global of its
//! own to 1, which is exported under the function's index.
//!
//! `split cut MODULE CALLED FIRST REST` makes the two, where the file CALLED has the indices of the functions for the
//! first one, separated by whitespace:
//!
//! - FIRST is the module without the bodies of the others. Where one of them can still be called, a stub is there. It
//!   calls what slot 0 of the exported table `rest` has, which is to load REST where that is not there yet, and then
//!   the body, in a slot of its own.
//! - REST has the bodies. It imports what it needs of FIRST from a module `first`: memories, tables, globals and
//!   functions, exported under a letter for their kind, and their index. As it is instantiated it fills the table `rest`,
//!   slot 0 with a function that does nothing.
//!
//! Data stays in FIRST, so that each address has what it had.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::process::ExitCode;
use std::{env, fs};

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, ElementSection, Elements, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, Instruction, Module, RefType, TableSection, TableType, TypeSection,
    ValType,
};
use wasmparser::{
    ElementItems, ElementSectionReader, ExportSectionReader, ExternalKind, FunctionBody, FunctionSectionReader,
    GlobalSectionReader, Operator, Parser, Payload, TableSectionReader, TypeRef, TypeSectionReader,
};

type Error = Box<dyn std::error::Error>;
type Encoded = Result<(), reencode::Error<Infallible>>;

/// The table of what is not in the first module, and the module's name for the rest.
const TABLE: &str = "rest";
const FIRST: &str = "first";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["count", module, result] => count(module, result),
        ["cut", module, called, first, rest] => cut(module, called, first, rest),
        _ => Err("usage: split count MODULE RESULT | split cut MODULE CALLED FIRST REST".into()),
    };
    if let Err(why) = done {
        eprintln!("split: {why}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn count(module: &str, result: &str) -> Result<(), Error> {
    let bytes = fs::read(module)?;
    let read = Read::new(&bytes)?;
    let mut made = Module::new();
    Counting { read: &read, next: 0 }.parse_core_module(&mut made, Parser::new(0), &bytes)?;
    Ok(fs::write(result, checked(made)?)?)
}

fn cut(module: &str, called: &str, first: &str, rest: &str) -> Result<(), Error> {
    let bytes = fs::read(module)?;
    let read = Read::new(&bytes)?;
    let called =
        fs::read_to_string(called)?.split_whitespace().map(str::parse).collect::<Result<BTreeSet<u32>, _>>()?;
    let plan = Plan::new(&read, &called)?;
    let mut made = Module::new();
    FirstHalf { read: &read, plan: &plan, next: 0 }.parse_core_module(&mut made, Parser::new(0), &bytes)?;
    fs::write(first, checked(made)?)?;
    Ok(fs::write(rest, checked(rest_of(&read, &plan)?)?)?)
}

fn checked(module: Module) -> Result<Vec<u8>, Error> {
    let bytes = module.finish();
    wasmparser::Validator::new().validate_all(&bytes)?;
    Ok(bytes)
}

/// What has to be known of a module before it is written again.
#[derive(Default)]
struct Read<'a> {
    types: Option<TypeSectionReader<'a>>,
    /// How many parameters the functions of each type have; none for what is not one of functions.
    parameters: Vec<Option<u32>>,
    /// The type without parameters and results, if there is one.
    plain: Option<u32>,
    /// The type of each function, those that are imported first.
    functions: Vec<u32>,
    imported: u32,
    globals: Vec<wasmparser::GlobalType>,
    tables: Vec<wasmparser::TableType>,
    memories: Vec<wasmparser::MemoryType>,
    bodies: Vec<FunctionBody<'a>>,
    /// The functions that a table, an export or the start has.
    referred: BTreeSet<u32>,
}

impl<'a> Read<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut read = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(section) => read.read_types(section)?,
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import?.ty {
                            TypeRef::Func(of_type) => read.functions.push(of_type),
                            TypeRef::Global(global) => read.globals.push(global),
                            TypeRef::Table(table) => read.tables.push(table),
                            TypeRef::Memory(memory) => read.memories.push(memory),
                            other => return Err(format!("an import of {other:?}").into()),
                        }
                    }
                    read.imported = u32::try_from(read.functions.len())?;
                }
                Payload::FunctionSection(section) => {
                    for of_type in section {
                        read.functions.push(of_type?);
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        read.globals.push(global?.ty);
                    }
                }
                Payload::TableSection(section) => {
                    for table in section {
                        read.tables.push(table?.ty);
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        read.memories.push(memory?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            read.referred.insert(export.index);
                        }
                    }
                }
                Payload::StartSection { func, .. } => _ = read.referred.insert(func),
                Payload::ElementSection(section) => read.read_elements(section)?,
                Payload::CodeSectionEntry(body) => read.bodies.push(body),
                _ => {}
            }
        }
        Ok(read)
    }

    fn read_types(&mut self, section: TypeSectionReader<'a>) -> Result<(), Error> {
        self.types = Some(section.clone());
        for of_type in section.into_iter_err_on_gc_types() {
            let of_type = of_type?;
            if of_type.params().is_empty() && of_type.results().is_empty() {
                self.plain.get_or_insert(u32::try_from(self.parameters.len())?);
            }
            self.parameters.push(Some(u32::try_from(of_type.params().len())?));
        }
        Ok(())
    }

    fn read_elements(&mut self, section: ElementSectionReader<'a>) -> Result<(), Error> {
        for element in section {
            match element?.items {
                ElementItems::Functions(functions) => {
                    for function in functions {
                        self.referred.insert(function?);
                    }
                }
                ElementItems::Expressions(_, expressions) => {
                    for expression in expressions {
                        for operator in expression?.get_operators_reader() {
                            if let Operator::RefFunc { function_index } = operator? {
                                self.referred.insert(function_index);
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn body(&self, function: u32) -> Option<&FunctionBody<'a>> {
        function.checked_sub(self.imported).and_then(|index| self.bodies.get(index as usize))
    }

    fn defined(&self) -> impl Iterator<Item = u32> + use<> {
        self.imported..self.imported + u32::try_from(self.bodies.len()).unwrap_or(u32::MAX)
    }

    /// The type section, written again, with the plain type in it, and which that is.
    fn write_types(&self, types: &mut TypeSection) -> Result<u32, reencode::Error> {
        if let Some(section) = self.types.clone() {
            utils::parse_type_section(&mut reencode::RoundtripReencoder, types, section)?;
        }
        Ok(self.plain.unwrap_or_else(|| {
            types.ty().function([], []);
            types.len() - 1
        }))
    }
}

/// What a function's body refers to.
#[derive(Default)]
struct Uses {
    functions: BTreeSet<u32>,
    globals: BTreeSet<u32>,
    tables: BTreeSet<u32>,
    /// It does something with a segment of data or elements, which only its own module has.
    segments: bool,
}

impl Uses {
    fn of(body: &FunctionBody<'_>) -> Result<Self, Error> {
        let mut uses = Self::default();
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Call { function_index }
                | Operator::ReturnCall { function_index }
                | Operator::RefFunc { function_index } => _ = uses.functions.insert(function_index),
                Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index } => {
                    uses.globals.insert(global_index);
                }
                Operator::CallIndirect { table_index, .. } | Operator::ReturnCallIndirect { table_index, .. } => {
                    uses.tables.insert(table_index);
                }
                Operator::TableGet { table }
                | Operator::TableSet { table }
                | Operator::TableGrow { table }
                | Operator::TableSize { table }
                | Operator::TableFill { table } => _ = uses.tables.insert(table),
                Operator::TableCopy { dst_table, src_table } => uses.tables.extend([dst_table, src_table]),
                Operator::MemoryInit { .. }
                | Operator::DataDrop { .. }
                | Operator::TableInit { .. }
                | Operator::ElemDrop { .. } => uses.segments = true,
                _ => {}
            }
        }
        Ok(uses)
    }
}

/// Which function goes where.
struct Plan {
    /// The place in the first module of each function that is in it.
    first: BTreeMap<u32, u32>,
    /// The slot in the table of each function that has a stub.
    stubs: BTreeMap<u32, u32>,
    /// The functions whose bodies are in the rest.
    rest: BTreeSet<u32>,
    /// What these use.
    uses: Uses,
}

impl Plan {
    fn new(read: &Read<'_>, called: &BTreeSet<u32>) -> Result<Self, Error> {
        let (mut rest, mut uses, mut referred) = (BTreeSet::new(), Uses::default(), read.referred.clone());
        for function in read.defined() {
            let body = read.body(function).ok_or("a function without a body")?;
            let its = Uses::of(body)?;
            if called.contains(&function) || its.segments {
                referred.extend(its.functions);
            } else {
                rest.insert(function);
                uses.functions.extend(its.functions);
                uses.globals.extend(its.globals);
                uses.tables.extend(its.tables);
            }
        }
        let stubs: BTreeMap<u32, u32> = rest.intersection(&referred).copied().zip(1..).collect();
        let all = (0..read.imported).chain(read.defined());
        let first = all.filter(|function| !rest.contains(function) || stubs.contains_key(function)).zip(0..).collect();
        uses.functions.retain(|function| !rest.contains(function));
        Ok(Self { first, stubs, rest, uses })
    }

    fn table(&self) -> TableType {
        let slots = 1 + self.stubs.len() as u64;
        TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: slots,
            maximum: Some(slots),
            shared: false,
        }
    }
}

fn name(letter: char, index: u32) -> String {
    format!("{letter}{index}")
}

struct FirstHalf<'a> {
    read: &'a Read<'a>,
    plan: &'a Plan,
    next: u32,
}

impl FirstHalf<'_> {
    fn plain(&self) -> u32 {
        self.read.plain.unwrap_or(u32::try_from(self.read.parameters.len()).unwrap_or(u32::MAX))
    }

    fn stub(&self, function: u32, slot: u32) -> Function {
        let (table, of_type) = (self.table(), self.read.functions[function as usize]);
        let mut stub = Function::new([]);
        stub.instruction(&Instruction::I32Const(0));
        stub.instruction(&Instruction::CallIndirect { type_index: self.plain(), table_index: table });
        for parameter in 0..self.read.parameters[of_type as usize].unwrap_or(0) {
            stub.instruction(&Instruction::LocalGet(parameter));
        }
        stub.instruction(&Instruction::I32Const(slot.cast_signed()));
        stub.instruction(&Instruction::CallIndirect { type_index: of_type, table_index: table });
        stub.instruction(&Instruction::End);
        stub
    }

    fn table(&self) -> u32 {
        u32::try_from(self.read.tables.len()).unwrap_or(u32::MAX)
    }
}

impl Reencode for FirstHalf<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error> {
        Ok(self.plan.first[&function])
    }

    fn parse_type_section(&mut self, types: &mut TypeSection, _: TypeSectionReader<'_>) -> Encoded {
        self.read.write_types(types).map(|_| ())
    }

    fn parse_function_section(&mut self, functions: &mut FunctionSection, _: FunctionSectionReader<'_>) -> Encoded {
        for function in self.read.defined().filter(|function| self.plan.first.contains_key(function)) {
            functions.function(self.read.functions[function as usize]);
        }
        Ok(())
    }

    fn parse_table_section(&mut self, tables: &mut TableSection, section: TableSectionReader<'_>) -> Encoded {
        utils::parse_table_section(self, tables, section)?;
        tables.table(self.plan.table());
        Ok(())
    }

    fn parse_export_section(&mut self, exports: &mut ExportSection, section: ExportSectionReader<'_>) -> Encoded {
        utils::parse_export_section(self, exports, section)?;
        exports.export(TABLE, ExportKind::Table, self.table());
        for memory in (0..).take(self.read.memories.len()) {
            exports.export(&name('m', memory), ExportKind::Memory, memory);
        }
        for &table in &self.plan.uses.tables {
            exports.export(&name('t', table), ExportKind::Table, table);
        }
        for &global in &self.plan.uses.globals {
            exports.export(&name('g', global), ExportKind::Global, global);
        }
        for function in &self.plan.uses.functions {
            exports.export(&name('f', *function), ExportKind::Func, self.plan.first[function]);
        }
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Encoded {
        let function = self.read.imported + self.next;
        self.next += 1;
        if let Some(&slot) = self.plan.stubs.get(&function) {
            code.function(&self.stub(function, slot));
        } else if !self.plan.rest.contains(&function) {
            utils::parse_function_body(self, code, body)?;
        }
        Ok(())
    }

    fn parse_custom_section(&mut self, _: &mut Module, _: wasmparser::CustomSectionReader<'_>) -> Encoded {
        Ok(())
    }
}

/// Where what the bodies of the rest refer to is in their own module.
struct RestHalf {
    functions: BTreeMap<u32, u32>,
    globals: BTreeMap<u32, u32>,
    tables: BTreeMap<u32, u32>,
}

impl Reencode for RestHalf {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, reencode::Error> {
        Ok(self.functions[&function])
    }

    fn global_index(&mut self, global: u32) -> Result<u32, reencode::Error> {
        Ok(self.globals[&global])
    }

    fn table_index(&mut self, table: u32) -> Result<u32, reencode::Error> {
        Ok(self.tables[&table])
    }
}

fn rest_of(read: &Read<'_>, plan: &Plan) -> Result<Module, Error> {
    let Plan { stubs, rest, uses, .. } = plan;
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    let plain = read.write_types(&mut types)?;
    let nothing = u32::try_from(uses.functions.len())?;
    let mut half = RestHalf {
        functions: uses.functions.iter().copied().zip(0..).chain(rest.iter().copied().zip(nothing + 1..)).collect(),
        globals: uses.globals.iter().copied().zip(0..).collect(),
        tables: uses.tables.iter().copied().zip(0..).collect(),
    };
    for (index, &memory) in (0..).zip(&read.memories) {
        imports.import(FIRST, &name('m', index), EntityType::Memory(half.memory_type(memory)?));
    }
    for &index in &uses.tables {
        imports.import(FIRST, &name('t', index), EntityType::Table(half.table_type(read.tables[index as usize])?));
    }
    imports.import(FIRST, TABLE, EntityType::Table(plan.table()));
    for &index in &uses.globals {
        imports.import(FIRST, &name('g', index), EntityType::Global(half.global_type(read.globals[index as usize])?));
    }
    for &index in &uses.functions {
        imports.import(FIRST, &name('f', index), EntityType::Function(read.functions[index as usize]));
    }
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    functions.function(plain);
    let mut empty = Function::new([]);
    empty.instruction(&Instruction::End);
    code.function(&empty);
    for &index in rest {
        functions.function(read.functions[index as usize]);
        half.parse_function_body(&mut code, read.body(index).ok_or("a function without a body")?.clone())?;
    }
    let slots: Vec<u32> = [nothing].into_iter().chain(stubs.keys().map(|index| half.functions[index])).collect();
    let mut elements = ElementSection::new();
    let table = u32::try_from(uses.tables.len())?;
    elements.active(Some(table), &ConstExpr::i32_const(0), Elements::Functions(Cow::Borrowed(&slots)));
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&elements).section(&code);
    Ok(module)
}

struct Counting<'a> {
    read: &'a Read<'a>,
    next: u32,
}

impl Reencode for Counting<'_> {
    type Error = Infallible;

    fn parse_global_section(&mut self, globals: &mut GlobalSection, section: GlobalSectionReader<'_>) -> Encoded {
        utils::parse_global_section(self, globals, section)?;
        for _ in &self.read.bodies {
            let counter = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
            globals.global(counter, &ConstExpr::i32_const(0));
        }
        Ok(())
    }

    fn parse_export_section(&mut self, exports: &mut ExportSection, section: ExportSectionReader<'_>) -> Encoded {
        utils::parse_export_section(self, exports, section)?;
        for (function, counter) in self.read.defined().zip(self.first()..) {
            exports.export(&function.to_string(), ExportKind::Global, counter);
        }
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Encoded {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        function.instruction(&Instruction::I32Const(1));
        function.instruction(&Instruction::GlobalSet(self.first() + self.next));
        self.next += 1;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            function.instruction(&self.parse_instruction(&mut operators)?);
        }
        code.function(&function);
        Ok(())
    }
}

impl Counting<'_> {
    /// The global of the first function that is not imported.
    fn first(&self) -> u32 {
        u32::try_from(self.read.globals.len()).unwrap_or(u32::MAX)
    }
}
