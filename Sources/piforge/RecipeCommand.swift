import ArgumentParser
import Diagnostics
import Foundation
import Recipe
import SystemPackage

struct RecipeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recipe", abstract: "List, check and explain recipes.",
        subcommands: [
            RecipeListCommand.self, RecipeShowCommand.self, RecipeCheckCommand.self, RecipeSchemaCommand.self,
        ])
}

struct RecipeListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the recipes of a folder, each with its description.",
        discussion: "piforge recipe list recipes")

    @Argument(help: "The folder.")
    var folder: String = "recipes"

    func run() async throws {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw Failure(.usage, at: folder, "there is no such folder", next: "piforge recipe list FOLDER")
        }
        for name in names.sorted() where name.hasSuffix(".yaml") {
            let path = FilePath(folder).appending(name)
            // A file that is no recipe is listed with what is wrong, not left out.
            do {
                let recipe = try Recipe.load(path: path, home: homeFolder, share: shareFolder)
                try printLine("\(path)  \(recipe.description)")
            } catch let failure as Failure {
                try printLine("\(path)  not usable: \(failure.message)")
            } catch let list as FailureList {
                try printLine("\(path)  not usable: \(list.failures.first?.message ?? "")")
            }
        }
    }
}

/// A recipe and what `--set` puts in its place.
struct RecipeArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The recipe: a YAML file.", valueName: "recipe"))
    var recipe: String

    @Option(
        name: .customLong("set"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Put another value in the recipe's place: system.hostname=pi. Repeatable.", valueName: "a.b=c"))
    var overrides: [String] = []

    /// The recipe, decoded and checked.
    func load() throws -> Recipe {
        try Recipe.load(path: FilePath(recipe), overrides: overrides, home: homeFolder, share: shareFolder)
    }
}

/// What `~/` stands for in a recipe's paths.
var homeFolder: FilePath? { ProcessInfo.processInfo.environment["HOME"].map { FilePath($0) } }

struct RecipeShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print a recipe with every default filled in, as JSON.",
        discussion: "piforge recipe show recipes/debian-13.yaml --set memory.limit=1G")

    @OptionGroup var argument: RecipeArgument

    func run() async throws { try printLine(argument.load().canonical, terminator: "") }
}

struct RecipeCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check a recipe and report every mistake in it.",
        discussion: "piforge recipe check my.yaml")

    @OptionGroup var argument: RecipeArgument

    func run() async throws {
        let recipe = try argument.load()
        try printLine("\(argument.recipe): the recipe \(recipe.name) is well-formed")
    }
}

struct RecipeSchemaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Print the JSON Schema of recipes, for editors.",
        discussion: "piforge recipe schema > recipe.schema.json")

    @Flag(help: "The schema of runtime files instead.")
    var runtimes = false

    func run() async throws { try printLine(runtimes ? ContainerRuntime.schema() : Recipe.schema(), terminator: "") }
}
