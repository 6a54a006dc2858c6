use super::*;

#[test]
fn smoke() {
    for (path, text) in [
        ("tests/worlds/nexus-ai-staging.tfvars", include_str!("../../tests/worlds/nexus-ai-staging.tfvars")),
        ("tests/worlds/nexus-ai-dev.tfvars", include_str!("../../tests/worlds/nexus-ai-dev.tfvars")),
    ] {
        let sources = VariableSources { var_files: vec![(path.to_owned(), text.to_owned())], ..VariableSources::default() };
        match resolve(built_in("jaeger-sidecar-to-shared").unwrap(), &sources) {
            Ok(runbook) => {
                println!("{:#?}", runbook.target);
                for stage in runbook.stages {
                    println!("{} {}\n{:#}", stage.kind, stage.id, stage.body);
                }
            }
            Err(problems) => panic!("{}", problems.iter().map(render_problem).collect::<Vec<_>>().join("\n")),
        }
    }
}
