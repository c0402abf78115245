//! Runs the tests of `lib.rs` in Node: `run TESTS.wasm`. Beside them it puts what wasm-bindgen makes of them.

use std::path::Path;
use std::process::{Command, exit};

use wasm_bindgen_cli_support::Bindgen;

/// Calls all that is exported and has a name of several words.
const SCRIPT: &str = r#"
const lines = [];
console.error = (line) => lines.push(line);
globalThis.takeLog = () => lines.splice(0).join('\n');
// Until all have passed: a test whose promise is never settled ends the program, too.
process.exitCode = 1;
// A panic of a task.
process.on('uncaughtException', (error) => { console.log(error, takeLog()); process.exit(1); });
const tests = Object.entries(require('./tests.js')).filter(([name]) => /^[a-z]+_/.test(name));
(async () => {
    let failed = 0;
    for (const [name, test] of tests) {
        const panics = /^panics_/.test(name);
        let problem = panics ? 'did not panic' : null;
        try {
            await test();
        } catch (error) {
            problem = panics && lines.join().includes('this target has no threads') ? null : error;
        }
        console.log(`test ${name} ... ${problem ? 'FAILED' : 'ok'}`);
        if (problem) console.log(problem, takeLog());
        failed += !!problem;
    }
    console.log(`${tests.length - failed} passed, ${failed} failed`);
    process.exitCode = failed || tests.length < 11 ? 1 : 0;
})();
"#;

fn main() {
    let wasm = std::env::args_os().nth(1).expect("the path of the tests");
    let folder = Path::new(&wasm).with_extension("node");
    std::fs::create_dir_all(&folder).expect("beside the tests is room");
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(&wasm)
        .out_name("tests")
        .typescript(false);
    bindgen.nodejs(true).expect("nothing else is chosen");
    bindgen.generate(&folder).expect("they are of one version");
    let script = folder.join("run.js");
    std::fs::write(&script, SCRIPT).expect("beside the tests is room");
    let status = Command::new("node")
        .arg(&script)
        .status()
        .expect("Node is installed");
    exit(status.code().unwrap_or(1));
}
