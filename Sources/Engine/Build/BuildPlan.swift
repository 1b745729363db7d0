import Debian
import Digests
import Pack
import Recipe
import Steps

extension ImageBuilder {
    /// The plan of a build: pure, from the recipe's steps and the lock.
    func plan(_ inputs: Inputs, _ lock: PackageLock) -> Plan {
        var plan = Plan()
        plan.add(
            "packages", summary: "\(lock.packages.count) packages",
            inputs: lock.packages.map {
                StepInput($0.name, "\($0.version) \($0.architecture) \($0.sha256.hex.prefix(16))")
            }
                + [
                    StepInput("unpack format", String(DebianPackage.formatVersion)),
                    StepInput("database format", String(DpkgDatabase.formatVersion)),
                ])
        plan.add(
            "configure", summary: "maintainer scripts in the micro-VM", inputs: configureInputs, below: ["packages"])
        plan.add("kernel", summary: "module index, initramfs", inputs: kernelInputs, below: ["configure"])
        var below = ["kernel"]
        for step in inputs.systemSteps + [recipe.bootStep(release: "RELEASE")] + inputs.overlaySteps {
            plan.add(step.name, summary: step.summary, inputs: step.inputs)
            below.append(step.name)
        }
        plan.add("file systems", summary: "root and boot", inputs: diskInputs, below: below)
        plan.add(
            "image", summary: "\(recipe.name).img.xz",
            inputs: [
                StepInput("output.compression.preset", String(recipe.output.compression.preset)),
                StepInput("output.compression.block_size", String(recipe.output.compression.blockSize.bytes)),
                StepInput("liblzma", liblzmaVersion()),
            ], below: ["file systems"])
        return plan
    }

    private var diskInputs: [StepInput] {
        [
            StepInput("name", recipe.name), StepInput("seed", recipe.seed), StepInput("epoch", String(recipe.epoch)),
            StepInput("disk.boot_size", String(recipe.disk.bootSize.bytes)),
            StepInput("disk.root_size", recipe.disk.rootSize.map { String($0.bytes) } ?? "auto"),
            StepInput("disk.free_space", String(recipe.disk.freeSpace.bytes)),
        ]
    }
}

extension Recipe {
    /// apt_preferences(5) of the recipe's pins.
    var preferencesText: String {
        packages.preferences.map {
            "Package: \($0.package)\nPin: \($0.pin)\nPin-Priority: \($0.priority)\n"
        }.joined(separator: "\n")
    }
}
