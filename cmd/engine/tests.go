package main

import "dataflow/engine"

// member returns a key of a mapping, nil if there is none.
func member(n engine.OptionNode, key string) engine.OptionNode {
	if n == nil {
		return nil
	}
	keys, values, _ := n.Map()
	for i, k := range keys {
		if k == key {
			return values[i]
		}
	}
	return nil
}

func listOf(n engine.OptionNode) []engine.OptionNode {
	if n == nil {
		return nil
	}
	list, _ := n.List()
	return list
}

func textOf(n engine.OptionNode) string {
	if n == nil {
		return ""
	}
	text, _ := n.Scalar()
	return text
}
