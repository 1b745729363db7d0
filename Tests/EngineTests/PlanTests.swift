import Digests
import Engine
import Steps
import Storage
import SystemPackage
import Testing

private func plan(docker: String = "26.1.5", hostname: String = "pi") -> Plan {
    var plan = Plan()
    plan.add("packages", summary: "2", inputs: [StepInput("docker.io", docker), StepInput("sudo", "1.9")])
    plan.add("configure", summary: "in the micro-VM", inputs: [], below: ["packages"])
    plan.add("system", summary: hostname, inputs: [StepInput("system.hostname", hostname)])
    plan.add("image", summary: "", inputs: [], below: ["configure", "system"])
    return plan
}

@Suite struct PlanTests {
    @Test func graphHasAnArrowForEachResult() {
        var plan = Plan()
        plan.add("packages", summary: "", inputs: [])
        plan.add("a \"step\"", summary: "", inputs: [], below: ["packages", "kernel package"])
        plan.add("system", summary: "", inputs: [], onto: ["a \"step\""])
        #expect(
            plan.graph { $0.name == "system" ? "after x" : nil } == #"""
                digraph plan {
                  rankdir=LR; node [shape=box];
                  "packages" [label="packages"];
                  "a \"step\"" [label="a \"step\""];
                  "packages" -> "a \"step\"";
                  "system" [label="system\nafter x"];
                  "a \"step\"" -> "system";
                }

                """#)
    }

    @Test func outputsUnderNamesThatAreNoLongerUsedAreKnown() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-abandoned")
        for name in ["pi.bmap", "pi.other", "pi.img.bmap"] {
            try writeAtomically(to: folder.path.appending(name), bytes: Array(name.utf8))
        }
        var record = PlanRecord.read(folder.path.appending("none"))
        #expect(record.abandoned(in: folder.path, besides: []) == [])
        record.outputs = [
            "pi.bmap": .of("pi.bmap"), "pi.other": .of("somebody has put another there"), "pi.gone": .of("pi.gone"),
            "pi.img.bmap": .of("pi.img.bmap"), "../pi.bmap": .of("pi.bmap"),
        ]
        #expect(
            record.abandoned(in: folder.path, besides: ["pi.img.bmap"]) == [folder.path.appending("pi.bmap")])
    }

    @Test func keysFollowInputsAndTheStepsBelow() {
        let first = plan()
        #expect(first == plan())
        let renamed = plan(hostname: "po")
        #expect(renamed["configure"]?.key == first["configure"]?.key)
        #expect(renamed["system"]?.key != first["system"]?.key)
        #expect(renamed["image"]?.key != first["image"]?.key)
        let upgraded = plan(docker: "26.1.6")
        #expect(upgraded["configure"]?.key != first["configure"]?.key)
        #expect(upgraded["system"]?.key == first["system"]?.key)
        #expect(upgraded.key != first.key)
    }

    @Test func recordSaysWhyAStepRunsAgain() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-plan")
        let path = folder.path.appending("plan.json")
        #expect(PlanRecord.read(path).reason(for: plan().steps[0], in: plan()) == "never built here")
        try PlanRecord(plan(), image: .of("image")).write(to: path)
        let record = PlanRecord.read(path)
        #expect(record.image == .of("image"))
        let upgraded = plan(docker: "26.1.6")
        let reasons = upgraded.steps.map { record.reason(for: $0, in: upgraded) }
        #expect(reasons == ["docker.io: 26.1.5 → 26.1.6", "step packages", nil, "step configure"])
    }

    @Test func damagedRecordIsAnEmptyOne() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-plan")
        let path = folder.path.appending("plan.json")
        try writeAtomically(to: path, bytes: Array("{".utf8))
        #expect(PlanRecord.read(path).reason(for: plan().steps[0], in: plan()) == "never built here")
    }
}
