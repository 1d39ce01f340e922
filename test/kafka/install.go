// Package kafka runs Apache Kafka on this machine, in KRaft mode, on loopback: one node or several, with every kind of listener. Its tests
// hold the source to real brokers. It needs Java 17 and Maven, which fetches Kafka once into the user's cache folder.
package kafka

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The versions that the tests run: the last line with old protocol versions, and the newest.
const (
	Kafka3 = "3.9.2"
	Kafka4 = "4.3.1"
)

// Missing says why no broker can run on this machine, nil if one can.
func Missing() error {
	var errs []error
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			errs = append(errs, fmt.Errorf("running Kafka needs %s: %w", tool, err))
		}
	}
	return errors.Join(errs...)
}

// sums are the jars of each version with their SHA-256, as sha256sum writes them.
//
//go:embed testdata/*.sha256
var sums embed.FS

// checkJars holds a folder to the list of a version: every jar is there, and no other.
func checkJars(version, jars string) error {
	list, err := sums.ReadFile("testdata/kafka-" + version + ".sha256")
	if err != nil {
		return fmt.Errorf("there is no list of the jars of Kafka %s: %w", version, err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(list)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			want[fields[1]] = fields[0]
		}
	}
	files, err := os.ReadDir(jars)
	if err != nil {
		return err
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(jars, f.Name()))
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(data); want[f.Name()] != hex.EncodeToString(sum[:]) {
			return fmt.Errorf("%s is not what the list of Kafka %s says", f.Name(), version)
		}
		delete(want, f.Name())
	}
	if len(want) > 0 {
		return fmt.Errorf("%d jars of Kafka %s are missing", len(want), version)
	}
	return nil
}

type artifact struct {
	Group    string `xml:"groupId"`
	Artifact string `xml:"artifactId"`
	Version  string `xml:"version"`
}

type project struct {
	XMLName      xml.Name   `xml:"project"`
	Namespace    string     `xml:"xmlns,attr"`
	Model        string     `xml:"modelVersion"`
	Group        string     `xml:"groupId"`
	Artifact     string     `xml:"artifactId"`
	Version      string     `xml:"version"`
	Packaging    string     `xml:"packaging"`
	Dependencies []artifact `xml:"dependencies>dependency"`
}

// logging is what makes a broker log. It stands first among the dependencies, so that its versions win.
func logging(version string) (artifact, error) {
	switch {
	case strings.HasPrefix(version, "3."):
		return artifact{"org.slf4j", "slf4j-reload4j", "1.7.36"}, nil
	case strings.HasPrefix(version, "4."):
		return artifact{"org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"}, nil
	}
	return artifact{}, fmt.Errorf("installing Kafka %s: only 3.9.x and 4.x run without ZooKeeper and on Java 17", version)
}

// Install puts the jars of a version into the user's cache folder, unless they are there, and returns the folder.
func Install(ctx context.Context, version string) (string, error) {
	log, err := logging(version)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("installing Kafka: %w", err)
	}
	dir := filepath.Join(cache, "dataflow-test", "kafka-"+version)
	libs := filepath.Join(dir, "libs")
	if _, err := os.Stat(libs); err == nil {
		return libs, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("installing Kafka: %w", err)
	}
	pom, err := xml.Marshal(project{
		Namespace: "http://maven.apache.org/POM/4.0.0", Model: "4.0.0", Group: "test", Artifact: "kafka-libs", Version: "1", Packaging: "pom",
		Dependencies: []artifact{log, {"org.apache.kafka", "kafka_2.13", version}},
	})
	if err != nil {
		return "", fmt.Errorf("installing Kafka: %w", err)
	}
	// A folder of its own until all is there: two test runs may install at once.
	tmp, err := os.MkdirTemp(dir, "libs.")
	if err != nil {
		return "", fmt.Errorf("installing Kafka: %w", err)
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(tmp, "pom.xml")
	if err := os.WriteFile(file, pom, 0o600); err != nil {
		return "", fmt.Errorf("installing Kafka: %w", err)
	}
	jars := filepath.Join(tmp, "jars")
	mvn := exec.CommandContext(ctx, "mvn", "-q", "-B", "-ntp", "-f", file, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+jars)
	if out, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetching Kafka %s: %w\n%s", version, err, bytes.TrimSpace(out))
	}
	if err := checkJars(version, jars); err != nil {
		return "", fmt.Errorf("fetching Kafka %s: %w", version, err)
	}
	if err := os.Rename(jars, libs); err != nil && !errors.Is(err, os.ErrExist) {
		if _, gone := os.Stat(libs); gone != nil {
			return "", fmt.Errorf("installing Kafka: %w", err)
		}
	}
	return libs, nil
}
