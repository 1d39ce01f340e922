package funcs

import (
	"github.com/DataDog/datadog-agent/pkg/obfuscate"

	"dataflow/dsl/pipeline/eval"
	"dataflow/engine/point"
)

var _ = declare(Decl{
	Name:    "sql_cover",
	Group:   OnText,
	Summary: "Masks the literals of the SQL statement in a key: each becomes `?`.",
	Doc: "Literals are numbers, quoted texts, `TRUE`, `FALSE`, `NULL`, `$1`, `?`, `%s` and dollar-quoted texts; a list " +
		"of them becomes one `?`. Comments, `;`, the quotes of identifiers and aliases with `AS` go. Tokens are " +
		"separated by one space. A text in double quotes is a literal behind an operator, else an identifier. What is no " +
		"SQL, and what consists of comments only, stays as it is: **nothing tells that it was not masked**. Text that is " +
		"not UTF-8 is no SQL. Differs from DataKit: a statement that makes the tokeniser panic stays as it is.",
	Params: []Param{{Name: "key", Kind: Key}},
	Examples: []Example{
		{Script: "sql_cover(_)", Message: "SELECT a, 'x' FROM t WHERE id = 42 AND n IN (1,2,3) -- c",
			Want: `message="SELECT a, ? FROM t WHERE id = ? AND n IN ( ? )"`},
		{Script: "sql_cover(_)", Message: "INSERT INTO users (name, age) VALUES ('kim', 30), ('lee', 31);",
			Want: `message="INSERT INTO users ( name, age ) VALUES ( ? )"`},
		{Script: "sql_cover(_)",
			Message: "SELECT `u`.name AS n FROM u WHERE \"c\" = \"dq\" LIMIT 10, 5",
			Want:    `message="SELECT u . name FROM u WHERE c = ? LIMIT ?"`},
		{Script: "sql_cover(_)", Message: "it's no statement", Want: ""},
	},
	Bind: func(c *Call) eval.Expr {
		key, read := c.Key(0), c.Read(0)
		return func(f *eval.Frame) (point.Value, bool) {
			text, known, ok := readText(f, read)
			if !known || !ok {
				return wrote(ok)
			}
			const mostPerByte = 2 // a token of one byte and a space
			if !f.Spend(mostPerByte * len(text)) {
				return failed()
			}
			masked, ok := maskSQL(text)
			return wrote(!ok || f.Write(key, point.String(masked)))
		}
	},
})

// maskSQL returns the statement without its literals. ok is false if it cannot be taken apart.
//
// Each statement has an obfuscator of its own: one learns from the statements that it has seen whether a backslash escapes,
// so that the outcome would depend on earlier points.
func maskSQL(statement string) (masked string, ok bool) {
	defer func() {
		if recover() != nil {
			masked, ok = "", false
		}
	}()
	query, err := obfuscate.NewObfuscator(obfuscate.Config{}).ObfuscateSQLString(statement)
	if err != nil {
		return "", false
	}
	return query.Query, true
}
