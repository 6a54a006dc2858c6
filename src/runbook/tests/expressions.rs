//! What expressions evaluate to, as in Terraform, and what is refused.

use serde_json::json;

use super::*;

#[test]
fn numbers_stay_what_they_are() {
    let values = [
        ("1024", json!(1024)),
        ("1024.0", json!(1024)),
        ("1.5", json!(1.5)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("18446744073709551615", json!(u64::MAX)),
        ("9223372036854775807 + 1", json!(9_223_372_036_854_775_808_u64)),
        ("9223372036854775807 * 4", json!(36_893_488_147_419_103_228_f64)),
        ("6 / 2", json!(3)),
        ("5 / 2", json!(2.5)),
        ("-7 % 3", json!(-1)),
        ("\"2\" + 3", json!(5)),
        ("-\"2\"", json!(-2)),
        ("2 + 3 * 4", json!(14)),
    ];
    for (expression, value) in values {
        assert_eq!(value_of(expression), value, "{expression}");
    }
}

#[test]
fn texts() {
    let values = [
        (r#""a${1}b${true}c${2.5}""#, json!("a1btruec2.5")),
        (r#""${5 / 2} ${100000} $${x} %%{y}""#, json!("2.5 100000 ${x} %{y}")),
        (r#""${7}""#, json!(7)),
        (r#""${[1]}""#, json!([1])),
        (r#""%{ if true }yes%{ else }no%{ endif }""#, json!("yes")),
        (r#""%{ for i, x in ["a", "b"] }${i}=${x} %{ endfor }""#, json!("0=a 1=b ")),
        (r#""a  ${~ "b" ~}  c""#, json!("abc")),
        (r#""say \"hi\"\n""#, json!("say \"hi\"\n")),
        ("<<EOT\n  a ${1 + 1}\nEOT", json!("  a 2\n")),
        ("<<-EOT\n    a\n      b ${\"c\"}\n    EOT", json!("a\n  b c\n")),
    ];
    for (expression, value) in values {
        assert_eq!(value_of(expression), value, "{expression}");
    }
}

#[test]
fn conditions_look_only_where_they_must() {
    let values = [
        ("true ? 1 : 1 / 0", json!(1)),
        ("false && 1 / 0 == 1", json!(false)),
        ("true || 1 / 0 == 1", json!(true)),
        ("\"true\" ? 1 : 2", json!(1)),
        ("1 == 1.0", json!(true)),
        ("\"1\" == 1", json!(false)),
        ("[1, {a = 2}] == [1, {a = 2}]", json!(true)),
        ("null == null", json!(true)),
        ("null != 1", json!(true)),
        ("2 >= 2 && !(1 < 1)", json!(true)),
    ];
    for (expression, value) in values {
        assert_eq!(value_of(expression), value, "{expression}");
    }
}

#[test]
fn collections() {
    let values = [
        ("[for x in [1, 2, 3] : x * 2 if x > 1]", json!([4, 6])),
        ("{ for k, v in { a = 1, b = 2 } : upper(k) => v }", json!({ "A": 1, "B": 2 })),
        ("{ for x in [\"ab\", \"ac\", \"b\"] : length(x) => x... }", json!({ "1": ["b"], "2": ["ab", "ac"] })),
        ("[for a in [1, 2] : [for b in [10, 20] : a + b]]", json!([[11, 21], [12, 22]])),
        ("[1, [2, 3]][1][0]", json!(2)),
        ("{ a = { b = [7] } }.a.b[0]", json!(7)),
        ("{ a = 1 }[\"a\"]", json!(1)),
        ("[1, 2].1", json!(2)),
        ("[{ a = 1 }, { a = 2 }][*].a", json!([1, 2])),
        ("[{ a = [1] }, { a = [2] }].*.a", json!([[1], [2]])),
        ("{ \"x y\" = 1, (\"a${1}\") = 2, c : 3 }", json!({ "x y": 1, "a1": 2, "c": 3 })),
    ];
    for (expression, value) in values {
        assert_eq!(value_of(expression), value, "{expression}");
    }
}

#[test]
fn functions() {
    let values = [
        (r#"coalesce("", null, "a", "b")"#, json!("a")),
        (r#"coalesce(null, 1, "a")"#, json!("1")),
        ("coalesce(null, 1)", json!(1)),
        ("coalescelist([], [1], [2])", json!([1])),
        (r#"compact(["a", "", null, "b"])"#, json!(["a", "b"])),
        ("concat([1], [], [2, 3])", json!([1, 2, 3])),
        ("concat([[1], [2]]...)", json!([1, 2])),
        (r#"contains(["a"], "a")"#, json!(true)),
        (r#"contains([1], "1")"#, json!(false)),
        ("contains([], null)", json!(false)),
        (r#"distinct(["b", "a", "b"])"#, json!(["b", "a"])),
        (r#"endswith("abc", "bc")"#, json!(true)),
        (r#"startswith("abc", "bc")"#, json!(false)),
        (
            r#"format("%s-%03d|%-4s|%4s|%.1f|%+d|%q|%%|%v|%t|%x", "a", 7, "l", "r", 2.25, 5, "q", [1], true, 255)"#,
            json!("a-007|l   |   r|2.2|+5|\"q\"|%|[1]|true|ff"),
        ),
        (r#"join(", ", ["a", 1], [true])"#, json!("a, 1, true")),
        ("keys({ b = 1, a = 2 })", json!(["a", "b"])),
        ("values({ b = 1, a = 2 })", json!([2, 1])),
        (r#"[length("añb"), length([1]), length({})]"#, json!([3, 1, 0])),
        (r#"lookup({ a = 1 }, "b", 5)"#, json!(5)),
        (r#"[lower("ÀB"), upper("ß")]"#, json!(["àb", "SS"])),
        (r#"[max(1, 3, 2), min(1.5, "1")]"#, json!([3, 1])),
        ("merge({ a = 1, b = 1 }, null, { b = 2 })", json!({ "a": 1, "b": 2 })),
        ("merge()", json!({})),
        (r#"replace("a.b.c", ".", "-")"#, json!("a-b-c")),
        (r#"split(",", "a,,b")"#, json!(["a", "", "b"])),
        (r#"split(",", "")"#, json!([""])),
        (r#"[tostring(1.50), tonumber("1e3"), tobool("true"), tostring(null) == null]"#, json!(["1.5", 1000, true, true])),
        (r#"[trimprefix("aab", "a"), trimsuffix("a.b.b", ".b"), trimspace(" x\n")]"#, json!(["ab", "a.b", "x"])),
        ("[alltrue([]), alltrue([true, \"true\"]), anytrue([]), anytrue([false, true])]", json!([true, true, false, true])),
    ];
    for (expression, value) in values {
        assert_eq!(value_of(expression), value, "{expression}");
    }
}

#[test]
fn null_is_as_if_it_were_not_there() {
    assert_eq!(body_of("a = null\nb = 1\nc = [null]"), json!({ "b": 1, "c": [null] }));
}

#[test]
fn blocks_become_objects() {
    let body = "one {\n  a = 1\n}\nmany {\n  a = 1\n}\nmany {\n  a = 2\n}\nby \"x\" {\n  in {\n    b = 1\n  }\n}\nby \"y/z\" {\n}\nempty {\n}";
    assert_eq!(
        body_of(body),
        json!({
            "one": { "a": 1 },
            "many": [{ "a": 1 }, { "a": 2 }],
            "by": { "x": { "in": { "b": 1 } }, "y/z": {} },
            "empty": {},
        })
    );
}

#[test]
fn unknown_names() {
    let text = with_stage(
        "variable \"cluster_name\" {\n  default = 1\n}\nlocals {\n  namespace = 1\n  a = var.cluster_nme\n  b = local.namspace\n  c = var.namespace\n  d = local.cluster_name\n  e = cluster_name\n  f = true ? 1 : var.zzzzzzz\n  g = [for x in [1] : y]\n}",
    );
    insta::assert_snapshot!(problems(&text, &VariableSources::default()), @r#"
    error: there is no variable `cluster_nme`
      --> my.hcl:15:11
       |
    15 |   a = var.cluster_nme
       |           ^^^^^^^^^^^
      hint: did you mean `cluster_name`?
    error: there is no local `namspace`
      --> my.hcl:16:13
       |
    16 |   b = local.namspace
       |             ^^^^^^^^
      hint: did you mean `namespace`?
    error: there is no variable `namespace`
      --> my.hcl:17:11
       |
    17 |   c = var.namespace
       |           ^^^^^^^^^
      hint: there is a local of that name: local.namespace
    error: there is no local `cluster_name`
      --> my.hcl:18:13
       |
    18 |   d = local.cluster_name
       |             ^^^^^^^^^^^^
      hint: there is a variable of that name: var.cluster_name
    error: unknown name `cluster_name`
      --> my.hcl:19:7
       |
    19 |   e = cluster_name
       |       ^^^^^^^^^^^^
      hint: write var.cluster_name
    error: there is no variable `zzzzzzz`
      --> my.hcl:20:22
       |
    20 |   f = true ? 1 : var.zzzzzzz
       |                      ^^^^^^^
      hint: variables: cluster_name
    error: unknown name `y`
      --> my.hcl:21:23
       |
    21 |   g = [for x in [1] : y]
       |                       ^
      hint: a text stands in quotes: "y"; values are var.NAME and local.NAME
    "#);
}

#[test]
fn unknown_roots() {
    insta::assert_snapshot!(body_problems("a = data.aws_vpc.id\nb = var\nc = lokal.x\nd = yes\ne = var[\"x\"]"), @r#"
    error: unknown name `data`
      --> my.hcl:11:5
       |
    11 | a = data.aws_vpc.id
       |     ^^^^
      hint: a runbook has no such thing; it has var.NAME and local.NAME
    error: `var` wants a name: var.NAME
      --> my.hcl:12:5
       |
    12 | b = var
       |     ^^^
    error: unknown name `lokal`
      --> my.hcl:13:5
       |
    13 | c = lokal.x
       |     ^^^^^
      hint: did you mean `local`?
    error: unknown name `yes`
      --> my.hcl:14:5
       |
    14 | d = yes
       |     ^^^
      hint: a text stands in quotes: "yes"; values are var.NAME and local.NAME
    error: `var` wants a name: var.NAME
      --> my.hcl:15:5
       |
    15 | e = var["x"]
       |     ^^^
    "#);
}

#[test]
fn unknown_functions_and_wrong_arguments() {
    insta::assert_snapshot!(body_problems("a = uper(\"x\")\nb = join(\",\")\nc = tonumber(\"x\")\nd = coalesce(\"\", null)\ne = join(1...)\nf = format(\"%d\", \"x\")\ng = replace(\"a\", \"/a/\", \"b\")\nh = lookup({}, \"k\")"), @r#"
    error: there is no function `uper`
      --> my.hcl:11:5
       |
    11 | a = uper("x")
       |     ^^^^
      hint: did you mean `upper`?
    error: `join` takes at least 2 arguments, not 1
      --> my.hcl:12:5
       |
    12 | b = join(",")
       |     ^^^^^^^^^
      hint: join(separator, list)
    error: `tonumber`: "x" is not a number
      --> my.hcl:13:5
       |
    13 | c = tonumber("x")
       |     ^^^^^^^^^^^^^
      hint: tonumber(value)
    error: `coalesce`: every argument is null or empty
      --> my.hcl:14:5
       |
    14 | d = coalesce("", null)
       |     ^^^^^^^^^^^^^^^^^^
      hint: coalesce(first, second, …): the first that is not empty
    error: `...` wants a list before it
      --> my.hcl:15:10
       |
    15 | e = join(1...)
       |          ^
    error: `format`: `%d` wants a number, not "x"
      --> my.hcl:16:5
       |
    16 | f = format("%d", "x")
       |     ^^^^^^^^^^^^^^^^^
      hint: format("%s has %d", name, count)
    error: `replace`: regular expressions (between slashes) are not supported here
      --> my.hcl:17:5
       |
    17 | g = replace("a", "/a/", "b")
       |     ^^^^^^^^^^^^^^^^^^^^^^^^
      hint: replace(text, part, with)
    error: `lookup`: the map has no key "k"
      --> my.hcl:18:5
       |
    18 | h = lookup({}, "k")
       |     ^^^^^^^^^^^^^^^
      hint: lookup(map, key, default)
    "#);
    let all = body_problems("a = base64encode(1)");
    assert!(all.contains("functions: alltrue, anytrue, coalesce, "), "{all}");
}

#[test]
fn what_cannot_stand_in_a_text() {
    insta::assert_snapshot!(body_problems("a = \"x${null}\"\nb = \"x${[1]}\"\nc = \"x${{}}\""), @r#"
    error: null cannot stand in a text
      --> my.hcl:11:9
       |
    11 | a = "x${null}"
       |         ^^^^
      hint: give it a value, or choose one with coalesce(…, "default")
    error: a list cannot stand in a text
      --> my.hcl:12:9
       |
    12 | b = "x${[1]}"
       |         ^^^
      hint: put its elements together with join(", ", …)
    error: a map cannot stand in a text
      --> my.hcl:13:9
       |
    13 | c = "x${{}}"
       |         ^^
      hint: name one of its members
    "#);
}

#[test]
fn wrong_operands_and_indexes() {
    insta::assert_snapshot!(body_problems("a = 1 + \"x\"\nb = !3\nc = -true\nd = 1 / 0\ne = 1 % 0\nf = [1, 2][2]\ng = [][0]\nh = { name = 1 }.nme\ni = 5.x\nj = [1][\"x\"]\nk = [for x in 3 : x]\nl = 3 ? 1 : 2\nm = { for x in [1, 1] : \"k\" => x }\nn = { ([1]) = 2 }\no = null < 1"), @r#"
    error: `+` wants numbers, not "x"
      --> my.hcl:11:5
       |
    11 | a = 1 + "x"
       |     ^^^^^^^
    error: `!` wants true or false, not 3
      --> my.hcl:12:6
       |
    12 | b = !3
       |      ^
    error: `-` wants numbers, not true
      --> my.hcl:13:6
       |
    13 | c = -true
       |      ^^^^
    error: division by zero
      --> my.hcl:14:5
       |
    14 | d = 1 / 0
       |     ^^^^^
    error: division by zero
      --> my.hcl:15:5
       |
    15 | e = 1 % 0
       |     ^^^^^
    error: the list has 2 elements, the last is [1], not [2]
      --> my.hcl:16:12
       |
    16 | f = [1, 2][2]
       |            ^
    error: the list is empty, so it has no element 0
      --> my.hcl:17:8
       |
    17 | g = [][0]
       |        ^
    error: the map has no member `nme`
      --> my.hcl:18:18
       |
    18 | h = { name = 1 }.nme
       |                  ^^^
      hint: did you mean `name`?
    error: 5 has no members
      --> my.hcl:19:7
       |
    19 | i = 5.x
       |       ^
    error: an index is a whole number from 0, not "x"
      --> my.hcl:20:9
       |
    20 | j = [1]["x"]
       |         ^^^
    error: `for` wants a list or a map, not 3
      --> my.hcl:21:15
       |
    21 | k = [for x in 3 : x]
       |               ^
    error: a condition wants true or false, not 3
      --> my.hcl:22:5
       |
    22 | l = 3 ? 1 : 2
       |     ^
    error: two items have the key "k"
      --> my.hcl:23:5
       |
    23 | m = { for x in [1, 1] : "k" => x }
       |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write `...` after the value to group values by key
    error: a key must be a string, not a list
      --> my.hcl:24:7
       |
    24 | n = { ([1]) = 2 }
       |       ^^^^^
    error: `<` wants numbers, not null
      --> my.hcl:25:5
       |
    25 | o = null < 1
       |     ^^^^^^^^
    "#);
}

#[test]
fn several_problems_in_one_value_are_all_reported() {
    let shown = body_problems("a = [1 / 0, { b = \"${null}x${[]}\" }, join(\",\")]");
    assert_eq!(shown.matches("error: ").count(), 4, "{shown}");
}

#[test]
fn a_computation_without_end_is_stopped() {
    let list = format!("[{}]", "1,".repeat(100));
    let loops =
        format!("a = [for a in {list} : [for b in {list} : [for c in {list} : [for d in {list} : [for e in {list} : 1]]]]]");
    let shown = body_problems(&loops);
    assert!(shown.contains("takes too much time or memory"), "{shown}");
    assert_eq!(shown.matches("error: ").count(), 1, "{shown}");
}

#[test]
fn values_that_double_and_double_are_stopped() {
    let mut locals = String::from("locals {\n  l0 = [1, \"x\"]\n  t0 = \"0123456789\"\n");
    for n in 1..60 {
        locals.push_str(&format!(
            "  l{n} = [local.l{}, local.l{}]\n  t{n} = \"${{local.t{}}}${{local.t{}}}\"\n",
            n - 1,
            n - 1,
            n - 1,
            n - 1
        ));
    }
    let shown = head_problems(&format!("{locals}}}"));
    assert!(shown.contains("too much time or memory") || shown.contains("longer than"), "{shown}");
}
