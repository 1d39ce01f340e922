package funcs

import (
	"github.com/mssola/user_agent"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

// maxUserAgent bounds what is taken apart of a text. Servers take less.
const maxUserAgent = 16 << 10

var _ = declare(Decl{
	Name:    "user_agent",
	Group:   OnClass,
	Summary: "Takes the User-Agent in a key apart and writes what it says to eight keys.",
	Doc: "They are `isMobile` and `isBot` (bool), `os`, `browser`, `browserVer`, `engine`, `engineVer` and `ua`, the " +
		"platform (all str). What the text does not say is `\"\"`: an empty text and one that is no User-Agent write the " +
		"keys as well, over what they had. An unknown name writes nothing. Differs from DataKit: of a longer text the " +
		"first 16 KiB are read.",
	Params: []Param{{Name: "key", Kind: Key}},
	Examples: []Example{
		{Script: "user_agent(_)",
			Message: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0.4664.110 Safari/537.36",
			Want: "isMobile=false\nisBot=false\nos=\"Intel Mac OS X 10_15_7\"\nbrowser=\"Chrome\"\nbrowserVer=\"96.0.4664.110\"\nengine=\"AppleWebKit\"\n" +
				"engineVer=\"537.36\"\nua=\"Macintosh\""},
		{Script: "user_agent(_)", Message: "curl/7.81.0",
			Want: "isMobile=false\nisBot=false\nos=\"\"\nbrowser=\"curl\"\nbrowserVer=\"7.81.0\"\nengine=\"\"\nengineVer=\"\"\nua=\"\""},
		{Script: "user_agent(_)\nif isBot { drop() }", Message: "Googlebot/2.1 (+http://www.google.com/bot.html)",
			Want: "dropped\nisMobile=false\nisBot=true\nos=\"\"\nbrowser=\"Googlebot\"\nbrowserVer=\"\"\nengine=\"\"\nengineVer=\"\"\nua=\"\""},
	},
	Bind: func(c *Call) eval.Expr {
		read := c.Read(0)
		return func(f *eval.Frame) (point.Value, bool) {
			text, known, ok := readText(f, read)
			if !known || !ok {
				return wrote(ok)
			}
			a := parseAgent(text[:min(len(text), maxUserAgent)])
			if a == nil {
				return done()
			}
			browser, version := a.Browser()
			engine, engineVersion := a.Engine()
			return wrote(f.Write("isMobile", point.Bool(a.Mobile())) &&
				f.Write("isBot", point.Bool(a.Bot())) &&
				f.Write("os", point.String(a.OS())) &&
				f.Write("browser", point.String(browser)) &&
				f.Write("browserVer", point.String(version)) &&
				f.Write("engine", point.String(engine)) &&
				f.Write("engineVer", point.String(engineVersion)) &&
				f.Write("ua", point.String(a.Platform())))
		}
	},
})

// parseAgent returns nil for a text that the parser cannot bear.
func parseAgent(text string) (agent *user_agent.UserAgent) {
	defer func() {
		if recover() != nil {
			agent = nil
		}
	}()
	return user_agent.New(text)
}
