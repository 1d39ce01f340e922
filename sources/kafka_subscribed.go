package sources

// Subscribed returns the topics that the configuration reads, with the category of their points. The command
// makes them on the embedded broker.
func (c *kafkaConfig) Subscribed() map[string]string {
	out := map[string]string{}
	add := func(namespace string, topics []string, category string) {
		for _, t := range topics {
			if namespace != "" {
				t = namespace + "-" + t
			}
			out[t] = category
		}
	}
	add(c.Namespace, c.Topics, c.Category)
	for _, s := range c.Streams {
		add(s.Namespace, s.Topics, s.Category)
	}
	return out
}
