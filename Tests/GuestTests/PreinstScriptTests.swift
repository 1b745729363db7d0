import Guest
import Testing

@Suite struct PreinstScriptTests {
    @Test(arguments: [
        ("", false),
        ("# dpkg-divert --rename is not used here", false),
        ("dpkg-divert --add --no-rename --divert /a.real /a", false),
        ("dpkg-divert --package x --no-rename \\\n  --divert /a.real --add /a", false),
        ("truename=$(dpkg-divert --truename /bin/sh)", false),
        (#"if [ "$(dpkg-divert --listpackage /bin/sh)_$t" != "dash_/bin/sh" ]; then"#, false),
        ("command -v dpkg-divert", false),
        ("dpkg-divert --add --rename --divert /a.real /a", true),
        ("dpkg-divert --package x --divert /a.real --add /a", true),
        ("\tdpkg-divert --quiet \\\n\t\t--add /a", true),
        ("dpkg-divert --remove --rename /a", true),
        ("dpkg-divert --no-rename --add /a; dpkg-divert --add --rename /b", true),
    ])
    func aDiversionThatMovesFilesIsFound(_ script: String, _ found: Bool) {
        #expect(PreinstScript.divertsWithRename(script) == found)
    }
}
