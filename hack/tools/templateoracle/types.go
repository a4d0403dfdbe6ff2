package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
)

// described is one named type: the name that %T prints, and a struct's fields
// as (Go name, JSON name, type, "embedded" or nothing).
type described struct {
	Name   string     `json:"name"`
	Kind   string     `json:"kind"`
	Of     string     `json:"of,omitempty"`
	Fields [][]string `json:"fields,omitempty"`
	Text   string     `json:"text,omitempty"`
}

var opaque = map[string]bool{
	"meta.Time": true, "meta.MicroTime": true, "resource.Quantity": true, "meta.FieldsV1": true,
}

func printTypes() {
	table := map[string]described{}
	describe(reflect.TypeOf(TemplateData{}), table)
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	_ = out.Encode(table)
}

// key names a type among all: those of meta/v1 and core/v1 are both called v1.
func key(t reflect.Type) string {
	switch {
	case t.Name() == "" || t.PkgPath() == "":
		return t.String()
	case strings.HasSuffix(t.PkgPath(), "apis/meta/v1"):
		return "meta." + t.Name()
	case strings.HasSuffix(t.PkgPath(), "api/core/v1"):
		return "core." + t.Name()
	}
	return t.String()
}

// describe adds the type and all that it contains; it returns how to refer to it.
func describe(t reflect.Type, table map[string]described) string {
	if t.Name() == "" {
		switch t.Kind() {
		case reflect.Pointer:
			return "*" + describe(t.Elem(), table)
		case reflect.Slice:
			return "[]" + describe(t.Elem(), table)
		case reflect.Map:
			return "map[" + describe(t.Key(), table) + "]" + describe(t.Elem(), table)
		}
		return t.String()
	}
	if t.PkgPath() == "" {
		return t.Name()
	}
	name := key(t)
	if _, known := table[name]; known {
		return name
	}
	found := described{Name: t.String(), Kind: t.Kind().String(), Text: textMethod(t)}
	table[name] = found
	switch {
	case opaque[name]:
	case t.Kind() == reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			field := t.Field(i)
			if !field.IsExported() {
				continue
			}
			json, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			row := []string{field.Name, json, describe(field.Type, table)}
			if field.Anonymous {
				row = append(row, "embedded")
			}
			found.Fields = append(found.Fields, row)
		}
	case t.Kind() == reflect.Map:
		found.Of = "map[" + describe(t.Key(), table) + "]" + describe(t.Elem(), table)
	case t.Kind() == reflect.Slice:
		found.Of = "[]" + describe(t.Elem(), table)
	}
	table[name] = found
	return name
}

// textMethod tells where the type has a String method: on the value, on pointers, or nowhere.
func textMethod(t reflect.Type) string {
	if _, ok := t.MethodByName("String"); ok {
		return "value"
	}
	if _, ok := reflect.PointerTo(t).MethodByName("String"); ok {
		return "pointer"
	}
	return ""
}
