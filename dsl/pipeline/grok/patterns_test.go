package grok

import (
	"regexp"
	"slices"
	"testing"
)

// whole has texts that are one match of a built-in pattern from end to end, and texts that are none.
var whole = map[string]struct{ yes, no []string }{
	"BASE10NUM":         {[]string{"0", "-12", "+3.25", ".5", "007"}, []string{"", "-", "1.", "-.5", "1e3", "0x1"}},
	"BASE16NUM":         {[]string{"00", "0x1F", "0Xff", "012"}, []string{"", "0", "0x", "1F", "0xg"}},
	"CISCOMAC":          {[]string{"0a1B.2c3d.4E5f"}, []string{"0a1b.2c3d", "0a1b:2c3d:4e5f", "0a1g.2c3d.4e5f"}},
	"COMBINEDAPACHELOG": {[]string{browserLine, `h - - [01/Jan/2026:00:00:00 +0000] "-" 400 - "-" '-'`}, []string{"", browserLine[:150], browserLine + "x"}},
	"COMMONAPACHELOG":   {[]string{`::1 ab@b.c d [01/Jan/2026:00:00:00 +0000] "GET /" 200 5`}, []string{`::1 - - [01/Jan/2026:00:00:00] "GET /" 200 5`}},
	"COMMONENVOYACCESSLOG": {[]string{
		`[2026-11-18T09:14:07.512Z] "GET /a?b=c HTTP/1.1" 200 - 0 12 3 2 "-" "curl/8" "id" "host" "10.0.0.1:80"`,
		`[2026-11-18T09:14:07Z] "- %{DATA:} -" 0 UF 0 0 0 - "-" "-" "-" "-" "-"`,
	}, []string{`[2026-11-18T09:14:07.512Z] "GET a HTTP/1.1" 200 - 0 12 3 2 "-" "curl/8" "id" "host" "10.0.0.1:80"`}},
	"COMMONMAC":          {[]string{"00:1A:2b:3c:4d:5e"}, []string{"00:1A:2b:3c:4d", "00-1A-2b-3c-4d-5e", "00:1A:2b:3c:4d:5e:6f"}},
	"DATA":               {[]string{"", "anything \xff ä"}, []string{"a\nb"}},
	"DATE":               {[]string{"11/18/2026", "18.11.26", "1-2-99"}, []string{"2026-11-18", "18_11_26", "40/40/2026"}},
	"DATESTAMP":          {[]string{"11/18/2026 09:14:07", "18.11.2026-9:14:07,5"}, []string{"11/18/2026", "11/18/2026T09:14:07"}},
	"DATESTAMP_EVENTLOG": {[]string{"20261118091407", "20261118091407.5", "26111891407"}, []string{"20261318091407", "2026"}},
	"DATESTAMP_OTHER":    {[]string{"Wed Nov 18 09:14:07 UTC 2026"}, []string{"Wed Nov 18 09:14:07 2026", "Wed Nov 18 09:14:07 CET 2026"}},
	"DATESTAMP_RFC2822":  {[]string{"Wed, 18 Nov 2026 09:14:07 +0800", "Wed, 8 Nov 26 9:14:07 Z"}, []string{"Wed 18 Nov 2026 09:14:07 +0800"}},
	"DATESTAMP_RFC822":   {[]string{"Wed Nov 18 2026 09:14:07 EST"}, []string{"Wed, 18 Nov 2026 09:14:07 EST"}},
	"DATE_EU":            {[]string{"18.11.2026", "1/2/99", "31-12-2026"}, []string{"18.13.2026", "32.1.2026"}},
	"DATE_US":            {[]string{"11/18/2026", "1-2-99"}, []string{"11.18.2026", "13/18/2026"}},
	"DAY":                {[]string{"Mon", "Tuesday", "Wed", "Thursday", "Fri", "Sat", "Sunday"}, []string{"Mond", "mon", "Tues", ""}},
	"EMAILADDRESS":       {[]string{"a.b+c@example.org", "ab@h"}, []string{"a@example.org", "ab@", "@h", "ab@-h"}},
	"EMAILLOCALPART":     {[]string{"a.b", "x<y", "A123"}, []string{"a", "1ab", "a b"}},
	"GREEDYDATA":         {[]string{"", "a b", "\xff\xfe"}, []string{"a\nb"}},
	"GREEDYLINES":        {[]string{"", "a\nb", "\n\n"}, nil},
	"HOST":               {[]string{"a", "web-07.example.org", "x."}, []string{"", "-a", "a..b", ".a", "ä"}},
	"HOSTNAME":           {[]string{"localhost", "a-.b", "a.b.", "0123456789012345678901234567890123456789012345678901234567890ab"}, []string{"a_b", "0123456789012345678901234567890123456789012345678901234567890abcd", "a.-b"}},
	"HOSTPORT":           {[]string{"h:80", "10.0.0.1:8080", "::1:443"}, []string{"h:080", "h:", "h"}},
	"HOUR":               {[]string{"0", "09", "19", "23"}, []string{"24", "", "123"}},
	"HTTPD20_ERRORLOG":   {[]string{"[Wed Nov 18 09:14:07 2026] [error] [client ::1] File missing", "[Wed Nov 18 09:14:07 2026] [warn] "}, []string{"[Wed Nov 18 09:14:07 2026] [bad] x"}},
	"HTTPD24_ERRORLOG": {[]string{
		"[Wed Nov 18 09:14:07.12 2026] [core:error] [pid 12:tid 34] [client 10.0.0.1:5555] AH00035: denied",
		"[Wed Nov 18 09:14:07 2026] [proxy:ERR] [pid 12:tid 34] (111)Connection refused: AH00957: x",
	}, []string{"[Wed Nov 18 09:14:07 2026] [core:error] [pid 12] AH1: x"}},
	"HTTPDATE":        {[]string{"18/Nov/2026:09:14:07 +0000", "1/March/26:1:02:03.5 -7", "18/März/2026:09:14:07 0"}, []string{"18/Nov/2026 09:14:07 +0000", "18/nov/2026:09:14:07 +0000", "18/Nov/2026:09:14 +0000"}},
	"HTTPDERROR_DATE": {[]string{"Wed Nov 18 09:14:07 2026"}, []string{"Wed Nov 18 2026 09:14:07"}},
	"HTTPDUSER":       {[]string{"ab@c.d", "-", "al_ice"}, []string{"a b", "ab@"}},
	"HTTPD_ERRORLOG":  {[]string{"[Wed Nov 18 09:14:07 2026] [error] x", "[Wed Nov 18 09:14:07 2026] [core:error] [pid 1:tid 2] A: x"}, []string{"[error] x"}},
	"INT":             {[]string{"0", "-5", "+007"}, []string{"", "1.5", "--1", "٣"}},
	"IP":              {[]string{"10.0.0.1", "::", "fe80::1%eth0"}, []string{"10.0.0", "256.1.1.1", ":"}},
	"IPORHOST":        {[]string{"10.0.0.1", "::1", "web-07", "256.1.1.1"}, []string{"", "_", "a b"}},
	"IPV4":            {[]string{"0.0.0.0", "255.249.199.99", "01.002.3.4"}, []string{"1.2.3", "256.0.0.1", "1.2.3.4.5", "1.2.3.300"}},
	"IPV6": {[]string{
		"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:10.0.0.1", "1:2:3:4:5::", "1:2:3:4:5::8", "1:2:3:4::7:8", "1::10.0.0.1", "1:2:3::6:10.0.0.1", "::", "::1",
		"::ffff:255.255.255.255", "::2:3:4:5:6:7:8", "fe80::1%eth0.5 x", "ABCD::",
	}, []string{"", ":", "1:2:3", "1:2:3:4:5:6:7:8:9", "12345::", "1:2:3:4:5:6:7:", "1::2::3", "::1%", "::256.0.0.1", "g::"}},
	"ISO8601_SECOND":    {[]string{"07", "60", "7.512"}, []string{"61", ""}},
	"ISO8601_TIMEZONE":  {[]string{"Z", "+08:00", "-0730", "+8:00"}, []string{"+08", "UTC", "+25:00", "z"}},
	"LOGLEVEL":          {[]string{"Alert", "TRACE", "debug", "Notice", "INFO", "warn", "war", "Warning", "WARNING", "Err", "error", "ER", "crit", "Critical", "FATAL", "severe", "EMERG", "emergency"}, []string{"aLERT", "Wrn", "errors", "emergenc", ""}},
	"MAC":               {[]string{"0a1b.2c3d.4e5f", "00-1A-2b-3c-4d-5e", "00:1A:2b:3c:4d:5e"}, []string{"00:1A-2b:3c:4d:5e", ""}},
	"MINUTE":            {[]string{"00", "59"}, []string{"5", "60"}},
	"MONTH":             {[]string{"Jan", "Januar", "February", "Mrz", "März", "Mr", "Ma", "Mai", "May", "June", "Jul", "Aug", "Ot", "Oktober", "Oct", "Dez", "December"}, []string{"jan", "Janu", "Mä", "Decem", ""}},
	"MONTHDAY":          {[]string{"1", "09", "29", "31"}, []string{"0", "00", "32", ""}},
	"MONTHNUM":          {[]string{"1", "09", "12"}, []string{"0", "13", "00"}},
	"MONTHNUM2":         {[]string{"01", "12"}, []string{"1", "13", "00"}},
	"NONNEGINT":         {[]string{"0", "007"}, []string{"-1", "", "1a"}},
	"NOTSPACE":          {[]string{"x", "日本\xff", "-"}, []string{"", "a b", "\t"}},
	"NUMBER":            {[]string{"5", "-1.5", ".25"}, []string{"", "1,5", "x"}},
	"PATH":              {[]string{"/var/log/x", `C:\a\b`, "/"}, []string{"var", "", `C:`}},
	"POSINT":            {[]string{"1", "90"}, []string{"0", "01", "-1", ""}},
	"PROG":              {[]string{"sshd", "a/b-c.d", "!~"}, []string{"", "a[1]", "a b", "ä"}},
	"QS":                {[]string{`"a \" b"`, `'x'`}, []string{`"a`, `a`, `"a"b"`}},
	"QUOTEDSTRING":      {[]string{`""`, `"a \\"`, `'it\'s'`, "\"a\nb\""}, []string{`"a\"`, `'a"`, "\"\\\n\"", ""}},
	"SECOND":            {[]string{"7", "59", "60", "07.5", "07,512", "1:2"}, []string{"61", "07.", ""}},
	"SPACE":             {[]string{"", " \t\n"}, []string{"\u00a0", "x"}},
	"SYSLOGBASE":        {[]string{"Nov 18 09:14:07 web-07 sshd[42]:", "Nov  8 09:14:07 <3.4> ::1 cron:"}, []string{"Nov 18 09:14:07 sshd[42]:", "18 Nov 09:14:07 h p:"}},
	"SYSLOGFACILITY":    {[]string{"<3.4>", "<12:0>"}, []string{"<12x0>", "<3>", "<a.b>", "3.4"}},
	"SYSLOGHOST":        {[]string{"web-07", "10.0.0.1"}, []string{"", "_"}},
	"SYSLOGPROG":        {[]string{"sshd", "sshd[42]"}, []string{"sshd[0]", "sshd[42", ""}},
	"SYSLOGTIMESTAMP":   {[]string{"Nov 18 09:14:07", "Nov   8 9:14:07"}, []string{"Nov18 09:14:07", "Nov 18 09:14"}},
	"TIME":              {[]string{"09:14:07", "T9:14:07Z", "9:14:07.512", " 23:59:60 "}, []string{"09:14", "24:00:00:", "009:14:07"}},
	"TIMESTAMP_ISO8601": {[]string{"2026-11-18T09:14:07.512Z", "26-1-8 9:14", "2026-11-18T091407+0800", "2026-11-18 09:14:07,5+08:00"}, []string{"2026-11-18", "2026-13-18T09:14:07Z", "2026-11-18_09:14"}},
	"TTY":               {[]string{"/dev/pts/3", "/dev/tty1", "/dev/ttyp0", "/dev/ttyUSB0"}, []string{"/dev/pts", "/dev/null", "dev/tty1"}},
	"TZ":                {[]string{"PST", "EDT", "UTC"}, []string{"CET", "GMT", "pst"}},
	"UNIXPATH":          {[]string{"/", "/var/log", "/ä\xff", "/a//b"}, []string{"", "var", "/a b"}},
	"URI":               {[]string{"https://user:pw@example.org:8080/a/b?c=d", "ftp://", "svn+ssh://h"}, []string{"http:/h", "//h", "http://h h"}},
	"URIHOST":           {[]string{"h", "h:80", "::1"}, []string{"h:", "h:0", ""}},
	"URIPARAM":          {[]string{"?", "?a=b&c[0]=%20"}, []string{"a=b", "?a b", "?\""}},
	"URIPATH":           {[]string{"/", "/a/b.c", "//"}, []string{"a", "/a b", "/a?b", ""}},
	"URIPATHPARAM":      {[]string{"/a?b=c", "/"}, []string{"?b", "/a?b\"", ""}},
	"URIPROTO":          {[]string{"http", "svn+ssh", "a+b+c"}, []string{"", "h2", "+a", "a+"}},
	"USER":              {[]string{"alice", "a.b-c_1"}, []string{"", "a b", "a@b"}},
	"USERNAME":          {[]string{"-", "A9"}, []string{"", "é"}},
	"UUID":              {[]string{"7f0c1a92-b3d4-4e5f-8a6b-7c8d9e0f1a2b"}, []string{"7f0c1a92b3d44e5f8a6b7c8d9e0f1a2b", "7f0c1a92-b3d4-4e5f-8a6b-7c8d9e0f1a2", ""}},
	"WINDOWSMAC":        {[]string{"00-1A-2b-3c-4d-5e"}, []string{"00:1A:2b:3c:4d:5e", "00-1A-2b-3c-4d"}},
	"WINPATH":           {[]string{`C:\a\b c`, `\\host\share`, `d:\`}, []string{`C:`, `C:\a?b`, "/a"}},
	"WORD":              {[]string{"a", "x_9"}, []string{"", "a-b", "ä", "aä"}},
	"YEAR":              {[]string{"26", "2026"}, []string{"", "202", "20266", "2"}},
}

func TestWhole(t *testing.T) {
	for name, e := range Builtin().named {
		c, ok := whole[name]
		if !ok {
			t.Errorf("%s is not tested", name)
			continue
		}
		m := compile(t, Builtin(), "^%{"+name+"}$")
		plain := regexp.MustCompile("^(?:" + e.text + ")$")
		for _, text := range append(slices.Clone(c.yes), c.no...) {
			_, got := m.Match(text, true, nil)
			if want := slices.Contains(c.yes, text); got != want || plain.MatchString(text) != want {
				t.Errorf("%s on %q: %v, want %v, package regexp %v", name, text, got, want, plain.MatchString(text))
			}
		}
	}
	if len(whole) != len(Builtin().named) {
		t.Errorf("%d patterns are tested, %d are built in", len(whole), len(Builtin().named))
	}
}
