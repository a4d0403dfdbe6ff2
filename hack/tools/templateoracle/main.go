// Command templateoracle tells how Go's own text/template renders, for the
// tests of registrar/gotemplate, and which fields and methods the Kubernetes
// types have that templates see.
//
//	templateoracle types     prints the field table as JSON
//	templateoracle render    answers JSON lines: a template and its data in, output or error out
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const patience = 2 * time.Second

// Owner is the object at the end of a Pod's chain of controllers.
type Owner struct {
	Kind string
	Name string
}

// TemplateData is what the templates of a ClusterSPIFFEID see.
type TemplateData struct {
	TrustDomain   string
	ClusterName   string
	ClusterDomain string
	PodMeta       *metav1.ObjectMeta
	PodSpec       *corev1.PodSpec
	NodeMeta      *metav1.ObjectMeta
	NodeSpec      *corev1.NodeSpec
	Owner         Owner
}

type question struct {
	Name     string          `json:"name"`
	Template string          `json:"template"`
	Kind     string          `json:"kind"`
	Data     json.RawMessage `json:"data"`
}

type answer struct {
	Output *string `json:"output,omitempty"`
	Error  string  `json:"error,omitempty"`
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "types" {
		printTypes()
		return
	}
	if len(os.Args) != 2 || os.Args[1] != "render" {
		fmt.Fprintln(os.Stderr, "usage: templateoracle types | render")
		os.Exit(2)
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			_ = out.Encode(answer{Error: "oracle: " + err.Error()})
			continue
		}
		_ = out.Encode(patiently(asked))
	}
}

// patiently gives up on a template that does not come to an end.
func patiently(asked question) answer {
	done := make(chan answer, 1)
	go func() { done <- render(asked) }()
	select {
	case found := <-done:
		return found
	case <-time.After(patience):
		return answer{Error: "oracle: takes too long"}
	}
}

func render(asked question) (found answer) {
	defer func() {
		if r := recover(); r != nil {
			found = answer{Error: fmt.Sprintf("oracle: panic: %v", r)}
		}
	}()
	data, err := dataOf(asked)
	if err != nil {
		return answer{Error: "oracle: " + err.Error()}
	}
	parsed, err := template.New(asked.Name).Parse(asked.Template)
	if err != nil {
		return answer{Error: err.Error()}
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, data); err != nil {
		return answer{Error: err.Error()}
	}
	text := strings.ToValidUTF8(out.String(), "\uFFFD")
	return answer{Output: &text}
}

func dataOf(asked question) (any, error) {
	switch asked.Kind {
	case "pod":
		var data TemplateData
		err := json.Unmarshal(asked.Data, &data)
		return &data, err
	case "typed":
		return fixtures(), nil
	}
	var data any
	if len(asked.Data) == 0 {
		return nil, nil
	}
	err := json.Unmarshal(asked.Data, &data)
	return data, err
}
