import Records
import Diagnostics
import Steps
import Storage
import SystemPackage

/// What a build would do.
package struct PlanReport: Sendable {
    /// The steps with their keys.
    package let plan: Plan
    /// The same steps, with what would become of each.
    package let rows: [PlanRow]

    /// The steps as a graph in the DOT language, with what would become of each.
    package var graph: String {
        let actions = Dictionary(rows.map { ($0.step, $0.action) }, uniquingKeysWith: { first, _ in first })
        return plan.graph { actions[$0.name] }
    }
}

/// Says what a build would do: the steps, which of their results are there, and what is different from the last build.
struct Planner {
    let context: BuildContext
    private let recordPath: FilePath

    init(_ context: BuildContext, _ recordPath: FilePath) {
        self.context = context
        self.recordPath = recordPath
    }

    /// The list of steps, with whatever secrets can be had.
    ///
    /// - Throws: as ``Resolver/resolve(_:)``; `Failure` for what no build could use.
    func steps() async throws -> (steps: BuildSteps, resolved: Resolved, secrets: Secrets) {
        let resolved = try await Resolver(context).resolve(.look)
        let secrets = try Secrets(
            opening: context.recipe, context.outputs.credentials, context.options.environment,
            isNeeded: false)
        // A look says nothing, and asks nobody else.
        return (try BuildSteps(context.looking, resolved, secrets), resolved, secrets)
    }

    /// - Throws: as ``steps()``; `Failure` for results in the store that no build could go on from.
    func report() async throws -> PlanReport {
        let (steps, resolved, secrets) = try await steps()
        let plan = steps.plan
        let record = PlanRecord.read(recordPath)
        let outputs = Outputs(context, resolved, secrets, recordPath)
        if secrets.missing.isEmpty, try outputs.wholeImage(plan, record) != nil {
            return PlanReport(plan: plan, rows: record.rows(plan) { _ in "cached" })
        }
        var walk = Walk(.look)
        let work = try TemporaryFolder(in: context.cache.work, name: "plan")
        defer { withExtendedLifetime(work) {} }
        var missing: String?
        do { _ = try await steps.packagedSystem(&walk, work: work.path) } catch let result as Walk.Missing {
            missing = result.step
        }
        let rows = record.rows(plan, unknown: secrets.missing) { step in
            switch walk.outcomes[step] {
            case .stored: "cached"
            case .made: "run"
            // What is kept nowhere is made in each build.
            case nil: plan[step]?.isKept == true ? missing.map { "after \($0)" } ?? "run" : "run"
            }
        }
        return PlanReport(plan: plan, rows: rows)
    }
}

extension PlanRecord {
    /// The steps of a plan with what becomes of them, and what is different from the build that is recorded.
    ///
    /// - Parameters:
    ///   - unknown: why a step's inputs are not known, by its name.
    ///   - action: what becomes of a step.
    func rows(_ plan: Plan, unknown: [String: String] = [:], action: (String) -> String) -> [PlanRow] {
        plan.steps.map { step in
            let action = action(step.name)
            let reason = unknown[step.name].map { "not known: \($0)" } ?? reason(for: step, in: plan)
            return PlanRow(
                step: step.name, summary: step.summary, action: action, reason: action == "cached" ? nil : reason,
                key: step.key.hex)
        }
    }
}
